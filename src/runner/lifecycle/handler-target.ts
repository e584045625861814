import type { Container } from '../../api/types.ts'

/** What a hook or a probe needs of a running container. */
export interface HandlerTarget {
  readonly container: Container
  /** Where it is reached. */
  readonly podIP: string
  /** Where that has a proxy, which takes every connection: whether a server is behind it. */
  readonly isListenedOn?: (port: number) => boolean
  readonly exec: (
    argv: readonly string[],
    abort: AbortSignal,
  ) => Promise<{
    readonly exitCode: number
    readonly output: string
    readonly notStarted?: true
  }>
}
