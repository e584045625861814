import type { LifecycleHandler } from '../../api/types.ts'
import type { Clock } from '../../util/clock.ts'

/** What a hook needs of a running container, and a probe. */
export interface HookTarget {
  exec(
    argv: readonly string[],
    abort: AbortSignal,
  ): Promise<{
    readonly exitCode: number
    readonly output: string
    readonly notStarted?: true
  }>
}

export type HookResult =
  | { readonly outcome: 'succeeded' | 'abandoned' }
  | { readonly outcome: 'failed'; readonly message: string }

/**
 * Runs one postStart or preStop handler (pkg/kubelet/lifecycle/handlers.go;
 * docs/kubernetes.md#hooks). An exec command gets no `$(VAR)` expansion and no time-out of its
 * own. `abort` is the end of the container or of its grace period, and abandons the hook. Never
 * rejects.
 */
export async function runHook(
  handler: LifecycleHandler,
  target: HookTarget,
  clock: Clock,
  abort: AbortSignal,
): Promise<HookResult> {
  try {
    if (handler.exec !== undefined) {
      const { exitCode, output } = await target.exec(
        handler.exec.command,
        abort,
      )
      if (abort.aborted) return { outcome: 'abandoned' }
      if (exitCode === 0) return { outcome: 'succeeded' }
      return {
        outcome: 'failed',
        message: `command exited with ${exitCode}: ${output.trim()}`,
      }
    }
    if (handler.sleep !== undefined) {
      await clock.sleep(handler.sleep.seconds * 1000, abort)
    }
    return { outcome: 'succeeded' }
  } catch (error) {
    if (abort.aborted) return { outcome: 'abandoned' }
    const message = error instanceof Error ? error.message : String(error)
    return { outcome: 'failed', message }
  }
}
