import { nameOf, part, text } from '../../api/json.ts'
import { findResource, urlOf, type Resource } from '../../client/api-client.ts'
import { Failure } from '../../util/failure.ts'
import type {
  ContainerStreams,
  StreamsRequest,
} from '../../streams/container-streams.ts'
import type { Context } from '../context.ts'
import type { ParsedOptions } from '../options.ts'
import type { FoundObject } from './find-object.ts'
import { PodFinder } from './find-pods.ts'
import { namespaceOf, sessionsFor } from './look-options.ts'

/**
 * The Pod that `POD` or `TYPE/NAME` means, which has not ended. Throws an ApiFailure, or a
 * Failure. `verb`: what is to be done in it, for the message.
 */
export async function runningPod(
  context: Context,
  options: ParsedOptions,
  {
    word,
    verb,
    namespace = namespaceOf(options),
  }: {
    readonly word: string
    readonly verb: string
    readonly namespace?: string
  },
): Promise<FoundObject> {
  const [, type = 'pods', name = ''] = /^(?:([^/]+)\/)?(.*)$/.exec(word) ?? []
  const finder = new PodFinder(await sessionsFor(context, options), namespace)
  const { pod } = await finder.ofObject(type, name)
  const phase = text(part(pod.object, 'status')['phase'])
  if (phase === 'Succeeded' || phase === 'Failed')
    throw new Failure(
      'failed',
      `cannot ${verb} a container in a completed pod; current phase is ${phase}`,
    )
  return pod
}

/** Streams of a command in a container, or of the container itself. Throws an ApiFailure. */
export async function podStreams(
  pod: FoundObject,
  subresource: 'exec' | 'attach',
  { container, command, stdin, stdout, stderr, tty }: StreamsRequest,
): Promise<ContainerStreams> {
  const url = podUrl(pod, subresource, {
    container,
    ...(command && { command }),
    stdin: String(stdin),
    stdout: String(stdout),
    stderr: String(stderr),
    tty: String(tty),
  })
  return await pod.client.streams(url, { stdin, stdout, stderr })
}

/** The path of something that only a Pod has. */
export function podUrl(
  { object }: FoundObject,
  subresource: string,
  query: Parameters<typeof urlOf>[1]['query'],
): string {
  const namespace = text(part(object, 'metadata')['namespace'])
  const pods = findResource('pods') as Resource
  return urlOf(pods, {
    namespace,
    name: nameOf(object),
    subresource,
    ...(query === undefined ? {} : { query }),
  })
}
