import * as fc from 'fast-check'
import t from 'tap'
import { decodeBase64 } from '../../src/api/decode/base64.ts'

t.test('decodes what was encoded, lines or not', async t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
      const text = Buffer.from(bytes).toString('base64')
      const lines = text.replaceAll(/(.{7})/g, '$1\r\n')
      for (const each of [text, lines]) {
        const result = decodeBase64(each)
        if (!('bytes' in result)) return false
        if (!Buffer.from(result.bytes).equals(Buffer.from(bytes))) return false
      }
      return true
    }),
  )
  t.pass()
})

/** The offset is that of Go's CorruptInputError; each was asked of Go. */
const illegal: Readonly<Record<string, number>> = {
  'not base64!': 3,
  'YQ=': 3,
  YQ: 0,
  'YQ==x': 4,
  'YWJj=': 4,
  'YQ=a': 2,
  Y: 0,
  'Y===': 1,
  'YWI-': 3,
  YWI_: 3,
  ' YQ==': 0,
  '====': 0,
}
for (const [text, offset] of Object.entries(illegal)) {
  t.same(decodeBase64(text), { illegalAt: offset }, text)
}
