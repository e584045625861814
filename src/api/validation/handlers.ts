import type { FindingList } from '../decode/finding-list.ts'
import { forbidden, invalid, required, unsupported } from '../field-errors.ts'
import { linuxStopSignals, windowsStopSignals } from '../stop-signals.ts'
import { validHeaderName, validPortName, validPortNumber } from './names.ts'
import type {
  ContainerFields,
  Handler,
  LifecycleFields,
  PodFields,
  ProbeFields,
} from './unvalidated-pod.ts'

const probes = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const

/** Hooks and probes of a container that may have them. */
export function validateHandlers(
  container: ContainerFields,
  path: string,
  { os, terminationGracePeriodSeconds: graceSeconds }: PodFields,
  findings: FindingList,
): void {
  validateLifecycle(
    container.lifecycle,
    `${path}.lifecycle`,
    graceSeconds,
    findings,
  )
  validateStopSignal(container.lifecycle, `${path}.lifecycle`, os, findings)
  for (const kind of probes) {
    const probe = container[kind]
    if (probe === undefined) continue
    validateHandler(probe, `${path}.${kind}`, graceSeconds, findings)
    validateNumbers(probe, `${path}.${kind}`, kind, findings)
  }
}

/** A plain init container ends before anything could be probed or stopped. */
export function forbidHandlers(
  container: ContainerFields,
  path: string,
  findings: FindingList,
): void {
  for (const field of ['lifecycle', ...probes] as const) {
    if (container[field] !== undefined) {
      findings.reject(
        `${path}.${field}`,
        forbidden(
          'may not be set for init containers without restartPolicy=Always',
        ),
      )
    }
  }
}

function validateLifecycle(
  lifecycle: LifecycleFields | undefined,
  path: string,
  graceSeconds: number,
  findings: FindingList,
): void {
  for (const hook of ['postStart', 'preStop'] as const) {
    const handler = lifecycle?.[hook]
    if (handler === undefined) continue
    validateHandler(handler, `${path}.${hook}`, graceSeconds, findings)
  }
}

/** Which signals there are hangs on the operating system, so it must be named (C209). */
function validateStopSignal(
  { stopSignal }: LifecycleFields = {},
  path: string,
  os: PodFields['os'],
  findings: FindingList,
): void {
  if (stopSignal === undefined) return
  const at = `${path}.stopSignal`
  if (os === undefined) {
    const words = 'may not be set for containers with empty `spec.os.name`'
    findings.reject(at, forbidden(words))
    return
  }
  const signals = new Map([
    ['linux', [...linuxStopSignals.keys()]],
    ['windows', windowsStopSignals],
  ]).get(os.name ?? '')
  if (signals === undefined || signals.includes(stopSignal)) return
  findings.reject(at, unsupported(stopSignal, signals.toSorted()))
}

/** In the order in which the API server looks: the second one found is the one too many. */
const handlerTypes = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const

/** Source: pkg/apis/core/validation/validation.go, validateHandler. */
function validateHandler(
  handler: Handler,
  path: string,
  graceSeconds: number,
  findings: FindingList,
): void {
  const present = handlerTypes.filter(type => handler[type] !== undefined)
  for (const type of present.slice(1)) {
    findings.reject(
      `${path}.${type}`,
      forbidden('may not specify more than 1 handler type'),
    )
  }
  const [type] = present
  switch (type) {
    case 'exec':
      if ((handler.exec?.command ?? []).length === 0) {
        findings.reject(`${path}.exec.command`, required())
      }
      return
    case 'httpGet':
      validatePort(handler.httpGet?.port, `${path}.httpGet.port`, findings)
      for (const { name = '' } of handler.httpGet?.httpHeaders ?? []) {
        findings.rejectEach(
          `${path}.httpGet.httpHeaders`,
          validHeaderName(name),
          problem => invalid(name, problem),
        )
      }
      return
    case 'tcpSocket':
      validatePort(handler.tcpSocket?.port, `${path}.tcpSocket.port`, findings)
      return
    case 'grpc':
      validatePort(handler.grpc?.port, `${path}.grpc.port`, findings)
      return
    case 'sleep':
      validateSleep(
        handler.sleep?.seconds ?? 0,
        `${path}.sleep`,
        graceSeconds,
        findings,
      )
      return
    case undefined:
      findings.reject(path, required('must specify a handler type'))
  }
}

function validatePort(
  port: number | string = 0,
  path: string,
  findings: FindingList,
): void {
  const problems =
    typeof port === 'number' ? validPortNumber(port) : validPortName(port)
  findings.rejectEach(path, problems, problem => invalid(port, problem))
}

function validateSleep(
  seconds: number,
  path: string,
  graceSeconds: number,
  findings: FindingList,
): void {
  if (seconds >= 0 && seconds <= graceSeconds) return
  findings.reject(
    path,
    invalid(
      seconds,
      `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`,
    ),
  )
}

function validateNumbers(
  probe: ProbeFields,
  path: string,
  kind: (typeof probes)[number],
  findings: FindingList,
): void {
  for (const field of [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const) {
    if (probe[field] < 0) {
      findings.reject(
        `${path}.${field}`,
        invalid(probe[field], 'must be greater than or equal to 0'),
      )
    }
  }
  const { successThreshold, terminationGracePeriodSeconds: grace } = probe
  if (grace !== undefined && grace <= 0) {
    findings.reject(
      `${path}.terminationGracePeriodSeconds`,
      invalid(grace, 'must be greater than 0'),
    )
  }
  if (kind === 'readinessProbe') {
    if (grace !== undefined) {
      findings.reject(
        `${path}.terminationGracePeriodSeconds`,
        invalid(grace, 'must not be set for readinessProbes'),
      )
    }
  } else if (successThreshold !== 1) {
    findings.reject(
      `${path}.successThreshold`,
      invalid(successThreshold, 'must be 1'),
    )
  }
}
