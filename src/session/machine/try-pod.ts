import { spawn } from 'node:child_process'
import { once } from 'node:events'

export type TriedPod =
  | {
      readonly ok: true
      /** From the start of podfs to the end of the Pod. */
      readonly ms: number
    }
  | { readonly ok: false; readonly reason: string; readonly fix?: string }

const content = 'this volume can be read'

const manifest = `apiVersion: v1
kind: ConfigMap
metadata: {name: podfs-doctor}
data: {key: ${content}}
---
apiVersion: v1
kind: Pod
metadata: {name: podfs-doctor}
spec:
  restartPolicy: Never
  containers:
    - name: look
      image: podfs.io/doctor
      command: [cat, /volume/key]
      volumeMounts: [{name: volume, mountPath: /volume}]
  volumes:
    - {name: volume, configMap: {name: podfs-doctor}}
`

/**
 * `podfs run` of a Pod of one container that reads its volume, as this user would type it here.
 * Leaves nothing behind.
 */
export async function tryPod(): Promise<TriedPod> {
  const startedAt = performance.now()
  const [, script = ''] = process.argv
  const child = spawn(process.execPath, [script, 'run', '-f', '-'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  // It may end before it has read all of it.
  child.stdin.on('error', () => undefined)
  child.stdin.end(manifest)
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  await once(child, 'close')
  const ms = performance.now() - startedAt
  return said.includes(content) ? { ok: true, ms } : failureOf(said)
}

/** Of the lines of one that has ended badly: the error, and what is to be done. */
function failureOf(said: string): TriedPod {
  const [, reason, fix] =
    /^error: (.*)(?:\n {2}(.*))?/m.exec(said) ??
    /^\S+ \| (.*)/m.exec(said) ??
    []
  return {
    ok: false,
    reason: reason ?? said.trim().split('\n').at(-1) ?? '',
    ...(fix !== undefined && { fix }),
  }
}
