import { ignored, listOf, one, strings, struct, supported } from './struct.ts'

const execAction = struct('ExecAction', {
  command: supported(strings, { required: true }),
})

const httpGetAction = struct('HTTPGetAction', {
  path: supported('string', { default: '/' }),
  port: supported('intOrString', { required: 'elsewhere', pointer: true }),
  host: supported('string'),
  scheme: supported({ enum: ['HTTP', 'HTTPS'] }, { default: 'HTTP' }),
  httpHeaders: supported(
    listOf(
      struct('HTTPHeader', {
        name: supported('string'),
        value: supported('string'),
      }),
    ),
  ),
})

const tcpSocketAction = struct('TCPSocketAction', {
  port: supported('intOrString', { required: 'elsewhere', pointer: true }),
  host: supported('string'),
})

const lifecycleHandler = struct('LifecycleHandler', {
  exec: supported(one(execAction)),
  httpGet: supported(one(httpGetAction)),
  tcpSocket: ignored(
    one(tcpSocketAction),
    'Kubernetes never runs a tcpSocket hook',
  ),
  sleep: supported(
    one(struct('SleepAction', { seconds: supported('int64', { default: 0 }) })),
  ),
})

export const lifecycle = struct('Lifecycle', {
  postStart: supported(one(lifecycleHandler)),
  preStop: supported(one(lifecycleHandler)),
  stopSignal: supported('string', { pointer: true }),
})

export const probe = struct('Probe', {
  exec: supported(one(execAction)),
  httpGet: supported(one(httpGetAction)),
  tcpSocket: supported(one(tcpSocketAction)),
  grpc: supported(
    one(
      struct('GRPCAction', {
        port: supported('int32', { required: 'elsewhere' }),
        service: supported('string'),
      }),
    ),
  ),
  initialDelaySeconds: supported('int32', { default: 0 }),
  timeoutSeconds: supported('int32', { default: 1, zeroIsAbsent: true }),
  periodSeconds: supported('int32', { default: 10, zeroIsAbsent: true }),
  successThreshold: supported('int32', { default: 1, zeroIsAbsent: true }),
  failureThreshold: supported('int32', { default: 3, zeroIsAbsent: true }),
  terminationGracePeriodSeconds: supported('int64'),
})
