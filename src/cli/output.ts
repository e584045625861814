import { visible, visibleLines } from '../util/visible.ts'

/**
 * What commands write to. People read it on a terminal, and much of what is told comes from
 * outside: names of files, keys and kinds may have anything in them. So nobody writes to a stream
 * without saying for whom.
 */
export interface Output {
  /** One line for people, whatever is in the text: see `visible`. */
  line(text: string): void
  /** Lines for people, a table, say; its newlines and tabs are the caller's own. */
  text(text: string): void
  /** As it is: what a machine reads, a container's own output, and moves of the cursor. */
  raw(bytes: string | Uint8Array): void
}

export function outputTo(stream: {
  write(bytes: string | Uint8Array): unknown
}): Output {
  return {
    line: text => {
      stream.write(`${visible(text)}\n`)
    },
    text: text => {
      stream.write(visibleLines(text))
    },
    raw: bytes => {
      stream.write(bytes)
    },
  }
}
