import { goQuote } from '../../../api/go-quote.ts'
import {
  firstRequest,
  headersOf,
  httpGet,
  maxRedirects,
  redirected,
  type HttpGet,
} from '../http-get.ts'
import { failure, success, type ProbeOutcome } from './probe-outcome.ts'

/**
 * GET (pkg/probe/http/): 200 to 399 is success. A redirect to the same host is followed, at most
 * ten times; one to another host is a success that is warned of. `abort` is the time-out, over
 * all of it. Never rejects.
 */
export async function probeHttp(
  action: HttpGet,
  abort: AbortSignal,
): Promise<ProbeOutcome> {
  const headers = headersOf(action, 'probe')
  let request = firstRequest(action)
  for (let redirects = 1; ; redirects++) {
    const answer = await httpGet(request, headers, abort)
    if ('error' in answer)
      // The kubelet takes a broken body for a mistake of its own, and does not count it.
      return answer.isBody
        ? { outcome: 'error', state: 'failure', message: answer.error }
        : failure(answer.error)
    const { status, location, body } = answer
    if (status < 200 || status >= 400)
      return failure(`HTTP probe failed with statuscode: ${status}`)
    if (status < 300) return success()
    const terminated: ProbeOutcome = {
      outcome: 'warning',
      output: `Probe terminated redirects, Response body: ${body}`,
    }
    const next = redirected(request, answer)
    if (next === undefined || location === undefined) return terminated
    if (typeof next === 'string') return failure(next)
    if (next.host !== request.host.toLowerCase()) return terminated
    if (redirects === maxRedirects)
      return failure(
        `Get ${goQuote(location)}: stopped after ${maxRedirects} redirects`,
      )
    // A name of its own is for this server only (net/http, Client.do).
    if (URL.canParse(location)) headers.delete('Host')
    request = next
  }
}
