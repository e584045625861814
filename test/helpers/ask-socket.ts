import { request, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'

export interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Of a POST. */
  readonly sent?: string | undefined
}

/** One HTTP request to a unix socket; the answer is open still. */
export function openSocket(
  socketPath: string,
  url: string,
  { sent, method = sent === undefined ? 'GET' : 'POST', headers = {} }: Asked,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) =>
    request({ socketPath, path: url, headers, method, agent: false })
      .on('response', resolve)
      .on('error', reject)
      .end(sent),
  )
}

/** GET, or POST where something is sent. */
export async function askSocket(
  socketPath: string,
  url: string,
  sent?: string,
): Promise<string> {
  return await text(await openSocket(socketPath, url, { sent }))
}
