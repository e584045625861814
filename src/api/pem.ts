import { decodeBase64 } from './decode/base64.ts'

export interface PemBlock {
  /** `CERTIFICATE` */
  readonly label: string
  readonly hasHeaders: boolean
  readonly der: Uint8Array
}

const begin = '-----BEGIN '
const end = '\n-----END '
const dashes = '-----'

/**
 * What Go's pem.Decode finds, block after block (encoding/pem/pem.go): what stands between them
 * is no matter, and what is no base64, or does not end as it began, is no block. In linear time.
 */
export function pemBlocks(bytes: Uint8Array): PemBlock[] {
  // With a newline before it a text may begin with a block.
  const text = `\n${Buffer.from(bytes).toString('latin1')}`
  const blocks: PemBlock[] = []
  let at = text.indexOf(`\n${begin}`)
  while (at !== -1) {
    const found = blockAt(text, at + 1)
    if (found?.block !== undefined) blocks.push(found.block)
    at = found === undefined ? -1 : text.indexOf(`\n${begin}`, found.next)
  }
  return blocks
}

/**
 * The block that begins at this line, and from where the next one is looked for; undefined when
 * no block can come any more.
 */
function blockAt(
  text: string,
  start: number,
): { readonly block?: PemBlock; readonly next: number } | undefined {
  const first = lineAt(text, start)
  const { next } = first
  if (!first.line.endsWith(dashes)) return { next: next - 1 }
  const label = first.line.slice(begin.length, -dashes.length)
  let body = next
  for (;;) {
    const header = lineAt(text, body)
    if (!header.line.includes(':')) break
    body = header.next
  }
  const hasHeaders = body !== next
  // Base64 has no dash: one before the end is that of another block.
  const dash = text.indexOf('-', body)
  if (dash === -1) return undefined
  const last = lineAt(text, dash)
  if (
    !text.startsWith(end, dash - 1) ||
    last.line !== `${end.slice(1)}${label}${dashes}`
  )
    return { next: dash - 1 }
  const decoded = decodeBase64(text.slice(body, dash).replace(/[ \t]/g, ''))
  return 'bytes' in decoded
    ? { block: { label, hasHeaders, der: decoded.bytes }, next: last.next - 1 }
    : { next: dash - 1 }
}

/** Without the blanks at its end, and where the next one begins. */
function lineAt(
  text: string,
  start: number,
): { readonly line: string; readonly next: number } {
  const newline = text.indexOf('\n', start)
  const stop = newline === -1 ? text.length : newline
  return {
    line: text.slice(start, stop).trimEnd(),
    next: stop + 1,
  }
}

/** As pem.EncodeToMemory: lines of 64 letters. */
export function encodePem(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .replace(/.{1,64}/g, '$&\n')
  return `${begin}${label}${dashes}\n${lines}${end.slice(1)}${label}${dashes}\n`
}
