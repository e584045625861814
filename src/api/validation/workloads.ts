import type { FindingList } from '../decode/finding-list.ts'
import { forbidden, invalid, required, unsupported } from '../field-errors.ts'
import { cronScheduleProblem } from './cron-schedule.ts'
import { sortedObject } from './sorted-object.ts'
import { selectorMatches, type LabelRequirement } from '../label-selector.ts'
import { workloads } from '../schema/workloads.ts'
import type { PodFailureRule, PodSpec } from '../types.ts'
import { podOfWorkload, type WorkloadObject } from '../workload-pod.ts'
import { dns1123Label } from './names.ts'

/**
 * The rules of a workload beside those of its template.
 * Source: pkg/apis/apps/validation/validation.go, pkg/apis/batch/validation/validation.go and
 * ValidateReplicationControllerSpec of v1.34.
 */
export function validateWorkload(
  object: WorkloadObject,
  findings: FindingList,
): void {
  validateSelector(object, findings)
  if (object.kind === 'Job' || object.kind === 'CronJob')
    validateJob(object, findings)
  else validateReplicated(object, findings)
  if (object.kind === 'CronJob') validateCronJob(object, findings)
  const { serviceName } = object.spec
  for (const problem of serviceName === undefined
    ? []
    : dns1123Label(serviceName))
    findings.reject('spec.serviceName', invalid(serviceName, problem))
  const specPath = object.kind === 'CronJob' ? 'spec.jobTemplate.spec' : 'spec'
  refuseNegative(object.spec, 'spec', findings)
  if (specPath !== 'spec')
    refuseNegative(object.spec.jobTemplate?.spec ?? {}, specPath, findings)
}

/** Every number in the spec of a workload counts something. */
function refuseNegative(
  spec: object,
  path: string,
  findings: FindingList,
): void {
  for (const [field, value] of Object.entries(spec))
    if (typeof value === 'number' && value < 0)
      findings.reject(
        `${path}.${field}`,
        invalid(value, 'must be greater than or equal to 0'),
      )
}

interface DecodedSelector {
  readonly matchLabels?: ReadonlyMap<string, string>
  readonly matchExpressions?: readonly {
    readonly key?: string
    readonly operator?: string
    readonly values?: readonly string[]
  }[]
}

function validateSelector(object: WorkloadObject, findings: FindingList): void {
  const { kind, spec } = object
  const path =
    kind === 'CronJob' ? 'spec.jobTemplate.spec.selector' : 'spec.selector'
  const given = (
    (kind === 'CronJob' ? (spec.jobTemplate?.spec ?? {}) : spec) as {
      readonly selector?: DecodedSelector | ReadonlyMap<string, string>
    }
  ).selector
  if (kind === 'ReplicationController' && isEmptyMap(given)) {
    // It is made of the template's labels (SetDefaults_ReplicationController).
    if (object.template.labels.size === 0) findings.reject(path, required())
    return
  }
  // Required where it is: the table has said so.
  if (given === undefined) return
  const selector: DecodedSelector =
    given instanceof Map ? { matchLabels: given } : (given as DecodedSelector)
  const requirements = requirementsOf(selector, path, findings)
  if (requirements === undefined) return
  if (requirements.length === 0) {
    // A Job's is made by the API server.
    if (kind !== 'Job' && kind !== 'CronJob')
      findings.reject(
        path,
        invalid({}, `empty selector is invalid for ${emptySelectorOf(kind)}`),
      )
    return
  }
  // A Job's Pods have the labels that the API server adds.
  const { labels } =
    kind === 'Job' ? podOfWorkload(object).metadata : object.template
  if (!selectorMatches(requirements, labels))
    findings.reject(
      `${workloads[kind].templatePath}.metadata.labels`,
      invalid(
        labels.size === 0 ? null : sortedObject(labels),
        '`selector` does not match template `labels`',
      ),
    )
}

function isEmptyMap(value: unknown): boolean {
  return value === undefined || (value instanceof Map && value.size === 0)
}

/** The API server says so of a ReplicaSet, too. */
function emptySelectorOf(kind: string): string {
  return kind === 'ReplicaSet' ? 'deployment' : kind.toLowerCase()
}

const needValues: ReadonlySet<string> = new Set(['In', 'NotIn'])
const needNone: ReadonlySet<string> = new Set(['Exists', 'DoesNotExist'])

/** Undefined when it cannot be used; apimachinery's ValidateLabelSelectorRequirement. */
function requirementsOf(
  { matchLabels = new Map(), matchExpressions = [] }: DecodedSelector,
  path: string,
  findings: FindingList,
): readonly LabelRequirement[] | undefined {
  let usable = true
  const reject = (field: string, message: string): void => {
    usable = false
    findings.reject(`${path}.matchExpressions${field}`, message)
  }
  for (const [i, { operator = '', values = [] }] of matchExpressions.entries())
    if (needValues.has(operator)) {
      if (values.length === 0)
        reject(
          `[${i}].values`,
          required("must be specified when `operator` is 'In' or 'NotIn'"),
        )
    } else if (needNone.has(operator)) {
      if (values.length > 0)
        reject(
          `[${i}].values`,
          forbidden(
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
          ),
        )
    } else {
      reject(
        `[${i}].operator`,
        invalid(operator, 'not a valid selector operator'),
      )
    }
  if (!usable) return undefined
  return [
    ...[...matchLabels].map(([key, value]): LabelRequirement => ({
      key,
      operator: 'In',
      values: [value],
    })),
    ...matchExpressions.map(
      ({ key = '', operator, values = [] }): LabelRequirement => ({
        key,
        operator: operator as LabelRequirement['operator'],
        values,
      }),
    ),
  ]
}

/** What is replaced when it ends must never end by itself. */
function validateReplicated(
  { kind, template }: WorkloadObject,
  findings: FindingList,
): void {
  const path = `${workloads[kind].templatePath}.spec`
  const { restartPolicy, activeDeadlineSeconds } = template.spec
  if (restartPolicy !== 'Always')
    findings.reject(
      `${path}.restartPolicy`,
      unsupported(restartPolicy, ['Always']),
    )
  if (activeDeadlineSeconds !== undefined)
    findings.reject(
      `${path}.activeDeadlineSeconds`,
      forbidden(
        `activeDeadlineSeconds in ${kind === 'Deployment' ? 'ReplicaSet' : kind} is not Supported`,
      ),
    )
}

function validateJob(
  { kind, spec, template }: WorkloadObject,
  findings: FindingList,
): void {
  if (template.spec.restartPolicy === 'Always')
    findings.reject(
      `${workloads[kind].templatePath}.spec.restartPolicy`,
      required('valid values: "OnFailure", "Never"'),
    )
  const path = kind === 'Job' ? 'spec' : 'spec.jobTemplate.spec'
  const job = (kind === 'Job' ? spec : (spec.jobTemplate?.spec ?? {})) as {
    readonly completions?: number
    readonly completionMode?: string
    readonly backoffLimitPerIndex?: number
    readonly podFailurePolicy?: { readonly rules?: readonly PodFailureRule[] }
  }
  if (job.completionMode === 'Indexed' && job.completions === undefined)
    findings.reject(
      `${path}.completions`,
      required('when completion mode is Indexed'),
    )
  if (
    job.completionMode !== 'Indexed' &&
    job.backoffLimitPerIndex !== undefined
  )
    findings.reject(
      `${path}.backoffLimitPerIndex`,
      invalid(job.backoffLimitPerIndex, 'requires indexed completion mode'),
    )
  if (job.podFailurePolicy === undefined) return
  if (template.spec.restartPolicy !== 'Never')
    findings.reject(
      `${workloads[kind].templatePath}.spec.restartPolicy`,
      invalid(
        template.spec.restartPolicy,
        'only "Never" is supported when podFailurePolicy is specified',
      ),
    )
  for (const [i, rule] of (job.podFailurePolicy.rules ?? []).entries())
    validateFailureRule(
      rule,
      job.backoffLimitPerIndex !== undefined,
      template.spec,
      findings.at(`${path}.podFailurePolicy.rules[${i}]`),
    )
}

function validateFailureRule(
  { action, onExitCodes, onPodConditions = [] }: PodFailureRule,
  hasLimitPerIndex: boolean,
  { containers, initContainers }: PodSpec,
  findings: FindingList,
): void {
  if (action === 'FailIndex' && !hasLimitPerIndex)
    findings.reject(
      'action',
      invalid(action, 'requires the backoffLimitPerIndex to be set'),
    )
  if (onExitCodes !== undefined && onPodConditions.length > 0)
    findings.reject(
      'onPodConditions',
      invalid(
        onPodConditions,
        'specifying both OnExitCodes and OnPodConditions is not supported',
      ),
    )
  if (onExitCodes === undefined && onPodConditions.length === 0)
    findings.reject(
      'onExitCodes',
      invalid(
        onExitCodes ?? null,
        'specifying one of OnExitCodes and OnPodConditions is required',
      ),
    )
  const { containerName, operator, values = [] } = onExitCodes ?? {}
  const names = [...containers, ...initContainers].map(({ name }) => name)
  if (containerName !== undefined && !names.includes(containerName))
    findings.reject(
      'onExitCodes.containerName',
      invalid(
        containerName,
        'must be one of the container or initContainer names in the pod template',
      ),
    )
  for (const [i, value] of values.entries())
    if (operator === 'In' && value === 0)
      findings.reject(
        `onExitCodes.values[${i}]`,
        invalid(value, 'must not be 0 for the In operator'),
      )
}

const longestCronJobName = 52

function validateCronJob(object: WorkloadObject, findings: FindingList): void {
  const { name } = object.metadata
  if (name.length > longestCronJobName)
    findings.reject(
      'metadata.name',
      invalid(name, 'must be no more than 52 characters'),
    )
  const { schedule, timeZone } = object.spec
  if (schedule !== undefined && /TZ=/.test(schedule))
    findings.reject(
      'spec.schedule',
      invalid(
        schedule,
        'cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
      ),
    )
  else if (schedule !== undefined) {
    const problem = cronScheduleProblem(schedule)
    if (problem !== undefined)
      findings.reject('spec.schedule', invalid(schedule, problem))
  }
  if (timeZone === undefined) return
  if (timeZone.toLowerCase() === 'local')
    findings.reject(
      'spec.timeZone',
      invalid(
        timeZone,
        'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
      ),
    )
  else if (!isTimeZone(timeZone))
    findings.reject(
      'spec.timeZone',
      invalid(timeZone, `unknown time zone ${timeZone}`),
    )
}

function isTimeZone(name: string): boolean {
  // An offset is a time zone for Intl, and none for Go.
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone: name }))
  } catch {
    return false
  }
}
