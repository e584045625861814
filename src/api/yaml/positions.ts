import type { Position } from '../types.ts'

/** Lines of the text are counted in blocks of so many characters, each when it is needed. */
const blockLength = 1024

/** Lines are divided where editors divide them. */
export function positionsIn(
  path: string,
  text: string,
): (offset: number) => Position {
  /** The line in which each block begins. */
  const lines = [1]
  return place => {
    // What is missing at the end is told there: the reader sees a newline more than there is.
    const offset = Math.min(place, text.length)
    const block = Math.floor(offset / blockLength)
    while (lines.length <= block) {
      const end = lines.length * blockLength
      lines.push((lines.at(-1) ?? 1) + lineFeeds(text, end - blockLength, end))
    }
    const line =
      (lines[block] ?? 1) + lineFeeds(text, block * blockLength, offset)
    const start = offset === 0 ? 0 : text.lastIndexOf('\n', offset - 1) + 1
    return { path, line, column: offset - start + 1 }
  }
}

function lineFeeds(text: string, start: number, end: number): number {
  let count = 0
  for (let at = start; at < end; at++)
    if (text.charCodeAt(at) === 0x0a) count += 1
  return count
}
