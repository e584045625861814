import type { HTTPGetAction } from '../../api/types.ts'
import { handlerPort } from './handler-port.ts'
import type { HandlerTarget } from './handler-target.ts'
import { joinHostPort } from './dial-error.ts'
import type { Answer, NoAnswer } from './http-answer.ts'
import {
  firstRequest,
  headersOf,
  httpGet,
  isNotTls,
  maxRedirects,
  redirected,
  type Request,
} from './http-get.ts'

/**
 * Asks a server (runHTTPHandler, pkg/kubelet/lifecycle/handlers.go): any answer will do, whatever
 * its status. Redirects are followed to wherever they lead, and a server that is asked by HTTPS and
 * speaks HTTP is asked so. Resolves with `HOST:PORT` of such a one; rejects when there is no answer.
 */
export async function runHttpHook(
  action: HTTPGetAction,
  { container, podIP }: HandlerTarget,
  abort: AbortSignal,
): Promise<string | undefined> {
  const port = handlerPort(action.port, container)
  if (typeof port === 'string') throw new Error(port)
  const host = action.host || podIP
  const get = { ...action, host, port }
  const headers = headersOf(get, 'lifecycle')
  const answer = await follow(firstRequest(get), headers, abort)
  if (!('error' in answer)) return undefined
  if (!isNotTls(answer)) throw new Error(answer.error)
  headers.delete('Authorization')
  const plain = firstRequest({ ...get, scheme: 'HTTP' })
  const second = await follow(plain, headers, abort)
  if ('error' in second) throw new Error(answer.error)
  return joinHostPort(host, port)
}

async function follow(
  first: Request,
  headers: Map<string, string>,
  abort: AbortSignal,
): Promise<Answer | NoAnswer> {
  let request = first
  for (let redirects = 0; ; redirects++) {
    const answer = await httpGet(request, headers, abort)
    // What it says, and whether it says all of that, is nobody's business.
    if ('error' in answer)
      return answer.isBody
        ? { status: 0, location: undefined, body: '' }
        : answer
    const next = redirected(request, answer)
    if (next === undefined) return answer
    if (typeof next === 'string') return { error: next, isBody: false }
    if (redirects === maxRedirects)
      return {
        error: `stopped after ${maxRedirects} redirects`,
        isBody: false,
      }
    if (next.host !== request.host)
      // Nor to others what is for this one (net/http, shouldCopyHeaderOnRedirect).
      for (const secret of ['Authorization', 'Cookie', 'Www-Authenticate'])
        headers.delete(secret)
    headers.delete('Host')
    request = next
  }
}
