import { isDeepStrictEqual } from 'node:util'
import { changedFields, inPlaceFields } from '../api/changed-fields.ts'
import { decodeObject } from '../api/decode/decode-object.ts'
import { goQuote } from '../api/go-quote.ts'
import { items, part, text, type Json, type JsonObject } from '../api/json.ts'
import { isMistake } from '../api/report.ts'
import type { EphemeralContainer, Pod, PodSpec } from '../api/types.ts'
import type { Value } from '../api/value.ts'
import {
  isOwnCondition,
  type PodCondition,
} from '../runner/status/pod-conditions.ts'
import type { PodPhase } from '../runner/status/pod-phase.ts'
import type { WrittenStatus } from '../runner/status/pod-status.ts'
import { ApiError, badRequest } from './api-error.ts'

/**
 * The Pod that runs as somebody wants it, who was shown it as `shown`: with other labels,
 * annotations, and what the API server lets change of a spec (ValidatePodUpdate,
 * pkg/apis/core/validation/validation.go). Throws an ApiError, in its words.
 */
export function changedPod(
  running: Pod,
  shown: JsonObject,
  wanted: JsonObject,
): Pod {
  refuseOther(shown, wanted)
  const before = decoded(running, shown)
  const after = decoded(running, wanted)
  const problems = problemsOf(running, before.spec, after.spec)
  if (problems.length > 0) throw invalid(running, problems)
  const { labels, annotations } = after.metadata
  return {
    ...running,
    metadata: { ...running.metadata, labels, annotations },
    spec: {
      ...running.spec,
      ...Object.fromEntries(
        inPlaceFields.map(field => [field, after.spec[field]]),
      ),
    },
  }
}

/**
 * The Pod that runs with further ephemeral containers, of what somebody wants who was shown it as
 * `shown`; all else of that is as nothing (podEphemeralContainersStrategy of the API server). Throws
 * an ApiError, in the words of ValidatePodEphemeralContainersUpdate.
 */
export function withEphemeralContainers(
  running: Pod,
  shown: JsonObject,
  wanted: JsonObject,
): Pod {
  refuseOther(shown, wanted)
  const ofShown = ephemeralIn(running, shown, shown)
  const after = ephemeralIn(running, shown, wanted)
  const field = 'spec.ephemeralContainers'
  const problems = ofShown.flatMap((old): readonly Problem[] => {
    const now = after.find(({ name }) => name === old.name)
    const quoted = goQuote(old.name)
    if (now === undefined)
      return [
        {
          field,
          message: `Forbidden: existing ephemeral containers ${quoted} may not be removed`,
        },
      ]
    return isDeepStrictEqual(now, old)
      ? []
      : [
          {
            field,
            message: `Forbidden: existing ephemeral containers ${quoted} may not be changed`,
          },
        ]
  })
  if (problems.length > 0) throw invalid(running, problems)
  return {
    ...running,
    spec: { ...running.spec, ephemeralContainers: after },
  }
}

/** In the order in which they came: a patch keeps none. */
function ephemeralIn(
  running: Pod,
  shown: JsonObject,
  wanted: JsonObject,
): readonly EphemeralContainer[] {
  const { ephemeralContainers = [] } = part(wanted, 'spec')
  const spec = { ...part(shown, 'spec'), ephemeralContainers }
  const found =
    decoded(running, { ...shown, spec }).spec.ephemeralContainers ?? []
  const before = running.spec.ephemeralContainers ?? []
  const isOld = ({ name }: EphemeralContainer): boolean =>
    before.some(old => old.name === name)
  return [
    ...before.flatMap(({ name }) => found.filter(each => each.name === name)),
    ...found.filter(container => !isOld(container)),
  ]
}

/**
 * What somebody says of a Pod who writes its status. What is the kubelet's, podfs says itself,
 * and writes it over at once. Throws an ApiError.
 */
export function writtenStatus(
  pod: Pod,
  shown: JsonObject,
  wanted: JsonObject,
): WrittenStatus {
  refuseOther(shown, wanted)
  const status = part(wanted, 'status')
  const { reason, message } = status
  return {
    conditions: items(status, 'conditions').flatMap((condition, i) =>
      isOwnCondition(text(condition['type']))
        ? []
        : [writtenCondition(pod, condition, `status.conditions[${i}]`)],
    ),
    phase: text(part(shown, 'status')['phase']) as PodPhase,
    ...(reason !== undefined && { reason: text(reason) }),
    ...(message !== undefined && { message: text(message) }),
  }
}

const conditionStatuses = ['True', 'False', 'Unknown'] as const

function writtenCondition(
  pod: Pod,
  condition: JsonObject,
  at: string,
): PodCondition {
  const type = text(condition['type'])
  const status = conditionStatuses.find(each => each === condition['status'])
  if (type === '')
    throw invalid(pod, [{ field: `${at}.type`, message: 'Required value' }])
  if (status === undefined)
    throw invalid(pod, [
      {
        field: `${at}.status`,
        message: `Unsupported value: ${goQuote(text(condition['status']))}: supported values: ${conditionStatuses.map(goQuote).join(', ')}`,
      },
    ])
  const { reason, message, observedGeneration } = condition
  return {
    type,
    status,
    ...(reason !== undefined && { reason: text(reason) }),
    ...(message !== undefined && { message: text(message) }),
    ...(typeof observedGeneration === 'number' && { observedGeneration }),
    lastProbeTime: timeIn(condition, 'lastProbeTime'),
    lastTransitionTime: timeIn(condition, 'lastTransitionTime'),
  }
}

function timeIn(condition: JsonObject, key: string): string | null {
  const given = condition[key] ?? null
  if (given === null) return null
  if (typeof given === 'string' && !Number.isNaN(Date.parse(given)))
    return given
  throw badRequest(`${key}: not a time (RFC 3339): ${JSON.stringify(given)}`)
}

/** Somebody means another object than the one that is there, or another state of it. */
function refuseOther(shown: JsonObject, wanted: JsonObject): void {
  const is = part(shown, 'metadata')
  const wants = part(wanted, 'metadata')
  for (const key of ['name', 'namespace'] as const)
    if (wants[key] !== undefined && wants[key] !== is[key])
      throw badRequest(
        `the ${key} of the object (${text(wants[key])}) does not match the ${key} on the URL (${text(is[key])})`,
      )
  const conflict = (why: string): ApiError =>
    new ApiError(
      409,
      'Conflict',
      `Operation cannot be fulfilled on pods ${JSON.stringify(is['name'])}: ${why}`,
    )
  if (wants['uid'] !== undefined && wants['uid'] !== is['uid'])
    throw conflict(
      `Precondition failed: UID in precondition: ${text(wants['uid'])}, UID in object meta: ${text(is['uid'])}`,
    )
  const version = text(wants['resourceVersion'])
  if (version !== '' && version !== is['resourceVersion'])
    throw conflict(
      'the object has been modified; please apply your changes to the latest version and try again',
    )
}

interface Problem {
  readonly field: string
  readonly message: string
}

function invalid({ metadata }: Pod, problems: readonly Problem[]): ApiError {
  const all = problems.map(({ field, message }) => `${field}: ${message}`)
  const [first = ''] = all
  return new ApiError(
    422,
    'Invalid',
    `Pod ${JSON.stringify(metadata.name)} is invalid: ${all.length === 1 ? first : `[${all.join(', ')}]`}`,
    {
      name: metadata.name,
      kind: 'Pod',
      causes: problems.map(({ field, message }) => ({ field, message })),
    },
  )
}

/** As a manifest that says this would be read. */
function decoded(running: Pod, json: JsonObject): Pod {
  const { apiVersion = 'v1', kind = 'Pod', metadata = {}, spec = {} } = json
  const { namespace } = running.metadata
  const { objects, findings } = decodeObject(
    toValue({ apiVersion, kind, metadata, spec }),
    running.source,
    { namespace, isUpdate: true },
  )
  const mistakes = findings.filter(isMistake)
  const [object] = objects
  if (mistakes.length > 0 || object?.kind !== 'Pod')
    throw invalid(
      running,
      mistakes.map(({ fieldPath = '', message }) => ({
        field: fieldPath,
        message,
      })),
    )
  return object
}

function toValue(json: Json): Value {
  if (Array.isArray(json)) return json.map(toValue)
  if (typeof json !== 'object' || json === null) return json
  return new Map(
    Object.entries(json).map(([key, value]) => [key, toValue(value)]),
  )
}

function problemsOf(
  { source }: Pod,
  before: PodSpec,
  after: PodSpec,
): readonly Problem[] {
  const others = changedFields(before, after).filter(
    path => !inPlaceFields.some(field => path.startsWith(`spec.${field}`)),
  )
  const { path, line, column } = source
  return [
    ...(others.length === 0
      ? []
      : [
          {
            field: 'spec',
            message: `Forbidden: pod updates may not change fields other than \`spec.activeDeadlineSeconds\`, \`spec.schedulingGates\` (only deletions) and \`spec.tolerations\` (only additions), but ${others.join(', ')} changed; change ${path}:${line}:${column} for another Pod`,
          },
        ]),
    ...deadlineProblems(
      before.activeDeadlineSeconds,
      after.activeDeadlineSeconds,
    ),
    ...gateProblems(before, after),
    ...tolerationProblems(before, after),
  ]
}

function deadlineProblems(
  before: number | undefined,
  after: number | undefined,
): readonly Problem[] {
  const field = 'spec.activeDeadlineSeconds'
  if (before === undefined || before === after) return []
  if (after === undefined)
    return [
      {
        field,
        message:
          'Invalid value: null: must not update from a positive integer to nil value',
      },
    ]
  return after < before
    ? []
    : [
        {
          field,
          message: `Invalid value: ${after}: must be less than or equal to previous value`,
        },
      ]
}

function gateProblems(before: PodSpec, after: PodSpec): readonly Problem[] {
  const known = new Set((before.schedulingGates ?? []).map(({ name }) => name))
  return (after.schedulingGates ?? []).flatMap(({ name = '' }, i) =>
    known.has(name)
      ? []
      : [
          {
            field: `spec.schedulingGates[${i}].name`,
            message: `Forbidden: only deletion is allowed, but found new scheduling gate '${name}'`,
          },
        ],
  )
}

function tolerationProblems(
  before: PodSpec,
  after: PodSpec,
): readonly Problem[] {
  const idOf = ({
    key,
    operator,
    value,
    effect,
  }: NonNullable<PodSpec['tolerations']>[number]): string =>
    JSON.stringify([key, operator, value, effect])
  const kept = new Set((after.tolerations ?? []).map(idOf))
  return (before.tolerations ?? []).every(each => kept.has(idOf(each)))
    ? []
    : [
        {
          field: 'spec.tolerations',
          message:
            'Forbidden: existing toleration can not be modified except its tolerationSeconds',
        },
      ]
}
