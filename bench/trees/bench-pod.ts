import { IMAGE } from './podman.ts'

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

/** Whether every container has printed its line. */
export function saysHello(containers: number): (text: string) => boolean {
  return text =>
    Array.from({ length: containers }, (_, i) => i).every(i =>
      text.includes(`hello from container-${i}!`),
    )
}
