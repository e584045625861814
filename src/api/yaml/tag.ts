import { chars, isSpaceOrEnd, isWord, type Cursor } from './cursor.ts'
import { YamlSyntaxError } from './yaml-node.ts'

const core = 'tag:yaml.org,2002:'

/** What may stand in a tag beside letters, digits, `_` and `-` (scannerc.go). */
const others = ";/?:@&=+$,.!~*'()[]"

/**
 * Reads a tag and returns it in full: `!!int` is `tag:yaml.org,2002:int`. A handle that only a
 * %TAG directive could have defined is an error, as in go-yaml.
 */
export function scanTag(cursor: Cursor): string {
  const start = cursor.position
  const tag =
    cursor.code(1) === chars.less ? scanVerbatim(cursor) : scanShort(cursor)
  if (!isSpaceOrEnd(cursor.code()))
    throw new YamlSyntaxError(
      start,
      'did not find expected whitespace or line break',
    )
  return tag
}

function scanVerbatim(cursor: Cursor): string {
  const start = cursor.position
  cursor.position += 2
  const uri = scanUri(cursor, start)
  if (uri === '')
    throw new YamlSyntaxError(start, 'did not find expected tag URI')
  if (cursor.code() !== chars.greater)
    throw new YamlSyntaxError(start, "did not find the expected '>'")
  cursor.position += 1
  return uri
}

function scanShort(cursor: Cursor): string {
  const start = cursor.position
  cursor.position += 1
  while (isWord(cursor.code())) cursor.position += 1
  const name = cursor.text.slice(start + 1, cursor.position)
  if (cursor.code() !== chars.exclamation)
    return `!${name}${scanUri(cursor, start)}`
  cursor.position += 1
  const uri = scanUri(cursor, start)
  if (uri === '')
    throw new YamlSyntaxError(start, 'did not find expected tag URI')
  if (name !== '')
    throw new YamlSyntaxError(start, 'found undefined tag handle')
  return core + uri
}

function scanUri(cursor: Cursor, start: number): string {
  const from = cursor.position
  for (;;) {
    const code = cursor.code()
    if (code === chars.percent) {
      if (
        !/^[0-9a-f]{2}/i.test(
          cursor.text.slice(cursor.position + 1, cursor.position + 3),
        )
      )
        throw new YamlSyntaxError(start, 'did not find URI escaped octet')
      cursor.position += 3
    } else if (
      isWord(code) ||
      (code !== 0 && others.includes(String.fromCharCode(code)))
    ) {
      cursor.position += 1
    } else {
      break
    }
  }
  const text = cursor.text.slice(from, cursor.position)
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    throw new YamlSyntaxError(start, 'found an incorrect leading UTF-8 octet')
  }
}
