import { once } from 'node:events'
import type { ChildProcess } from 'node:child_process'
import { untilPrinted } from '../bench.ts'
import { IMAGE, type Podman } from './podman.ts'

/** Each container prints what its volume says, and waits. */
export function podManifest(containers: number): string {
  const parts = Array.from(
    { length: containers },
    (_, i) => `  - name: container-${i}
    image: ${IMAGE}
    imagePullPolicy: Never
    command:
    - /bin/sh
    - -c
    - 'trap "exit 0" TERM; echo "$(cat /etc/app/greeting) from container-${i}!"; sleep 1000 & wait'
    volumeMounts: [{name: app, mountPath: /etc/app}]
`,
  )
  return `apiVersion: v1
kind: ConfigMap
metadata: {name: bench-config}
data: {greeting: hello}
---
apiVersion: v1
kind: Pod
metadata: {name: bench-pod}
spec:
  hostNetwork: true
  restartPolicy: Never
  containers:
${parts.join('')}  volumes:
  - name: app
    configMap: {name: bench-config}
`
}

/** How long `podfs run` of such a Pod takes to the first line of each container, in ms; ends it. */
export async function timeRun(
  start: () => ChildProcess,
  containers: number,
): Promise<number> {
  const began = performance.now()
  const podfs = start()
  await untilPrinted(podfs, saysHello(containers))
  const took = performance.now() - began
  // Twice: no grace period.
  const exited = once(podfs, 'exit')
  podfs.kill('SIGINT')
  setTimeout(() => podfs.kill('SIGINT'), 50).unref()
  await exited
  return took
}

/** The same of `podman kube play` of one with two containers. */
export async function timePlay(podman: Podman, file: string): Promise<number> {
  const began = performance.now()
  const play = podman.play(file)
  try {
    await untilPrinted(play, saysHello(2))
    return performance.now() - began
  } finally {
    podman.removePods()
    play.stdout?.destroy()
  }
}

/** Whether every container has printed its line. */
function saysHello(containers: number): (text: string) => boolean {
  return text =>
    Array.from({ length: containers }, (_, i) => i).every(i =>
      text.includes(`hello from container-${i}!`),
    )
}
