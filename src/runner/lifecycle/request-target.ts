/**
 * The path of an httpGet as a request has it (formatURL, pkg/probe/http/request.go, with Go's
 * net/url): a query is kept, a fragment is not sent, and what may not stand in a URL is escaped.
 * A path that is no URL at all is escaped as a whole.
 */
export function requestTarget(path: string): string {
  // oxlint-disable-next-line no-control-regex -- Go refuses them
  if (/%(?![\da-f]{2})|[\0-\x1f\x7f]/i.test(path))
    return rooted(escaped(path, /[^\w\-.~!$&'()*+,/:;=@]/gu))
  const [wanted = ''] = path.split('#', 1)
  const query = wanted.indexOf('?')
  const end = query === -1 ? wanted.length : query
  return rooted(
    escaped(wanted.slice(0, end), /[^\w\-.~!$&'()*+,/:;=@%[\]]/gu) +
      escaped(wanted.slice(end), /[^\w\-.~!$&'()*+,/:;=@%[\]?]/gu),
  )
}

function rooted(path: string): string {
  return path.startsWith('/') ? path : `/${path}`
}

function escaped(text: string, unsafe: RegExp): string {
  return text.replace(unsafe, character =>
    [...Buffer.from(character)]
      .map(byte => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  )
}
