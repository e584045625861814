import type { LifecycleHandler } from '../../api/types.ts'
import type { Clock } from '../../util/clock.ts'
import type { HandlerTarget } from './handler-target.ts'

export type HookResult =
  | { readonly outcome: 'abandoned' }
  /** `fallback`: HOST:PORT of a server that was asked by HTTPS and answered by HTTP. */
  | { readonly outcome: 'succeeded'; readonly fallback?: string }
  | { readonly outcome: 'failed'; readonly message: string }

/**
 * Runs one postStart or preStop handler (pkg/kubelet/lifecycle/handlers.go;
 * docs/kubernetes.md#hooks). An exec command gets no `$(VAR)` expansion, and nothing a time-out of
 * its own. `abort` is the end of the container or of its grace period, and abandons the hook. Never
 * rejects.
 */
export async function runHook(
  handler: LifecycleHandler,
  target: HandlerTarget,
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
    if (handler.httpGet !== undefined) {
      const { runHttpHook } = await import('./http-hook.ts')
      const fallback = await runHttpHook(handler.httpGet, target, abort)
      if (abort.aborted) return { outcome: 'abandoned' }
      return { outcome: 'succeeded', ...(fallback && { fallback }) }
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
