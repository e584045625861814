import type { Container } from '../../api/types.ts'

/** What a hook or a probe needs of a running container. */
export interface HandlerTarget {
  readonly container: Container
  /** Where it is reached. */
  readonly podIP: string
  readonly exec: (
    argv: readonly string[],
    abort: AbortSignal,
  ) => Promise<{
    readonly exitCode: number
    readonly output: string
    readonly notStarted?: true
  }>
}
