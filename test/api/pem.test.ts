import t from 'tap'
import { encodePem, pemBlocks } from '../../src/api/pem.ts'
import { certificate } from '../helpers/certificates.ts'

const a = certificate('a')
const read = (text: string) => pemBlocks(Buffer.from(text))
const block = '-----BEGIN X-----\nAAAA\n-----END X-----\n'

t.test('what is read is written as it was', async t => {
  const [first, ...others] = read(a)
  t.equal(encodePem('CERTIFICATE', first?.der ?? Buffer.alloc(0)), a)
  t.same(others, [])
  t.equal(
    encodePem('X', Buffer.alloc(0)),
    '-----BEGIN X-----\n-----END X-----\n',
  )
})

t.test('blocks as pem.Decode of Go finds them', async t => {
  const rows: readonly (readonly [string, string, readonly string[]])[] = [
    ['one', block, ['X']],
    ['no newline at the end', block.trimEnd(), ['X']],
    ['text around and between', `# x\n${block}more\n\n${block}end`, ['X', 'X']],
    ['CRLF and blanks', block.replaceAll('\n', ' \t\r\n'), ['X']],
    ['blanks in the base64', block.replace('AAAA', ' AA\tAA '), ['X']],
    ['nothing in it', '-----BEGIN X-----\n-----END X-----\n', ['X']],
    ['not at the beginning of a line', ` ${block}`, []],
    ['another end', block.replace('END X', 'END Y'), []],
    ['something behind the end', block.trimEnd() + ' x\n', []],
    ['no base64', block.replace('AAAA', 'AAA'), []],
    ['no end', `${block}-----BEGIN X-----\nAAAA\n`, ['X']],
    ['a cut one before', `-----BEGIN X-----\nAAAA\n${block}`, ['X']],
    ['no dashes behind the label', `-----BEGIN X\n${block}`, ['X']],
    ['other letters there', block.replace('X-----', 'Xabcde'), []],
    ['another beginning', block.replace('BEGIN', 'START'), []],
    ['none', 'text', []],
  ]
  for (const [name, text, labels] of rows)
    t.same(
      read(text).map(({ label }) => label),
      labels,
      name,
    )
})

t.test('headers are noticed, and no part of the block', async t => {
  const [found] = read(
    '-----BEGIN X-----\nProc-Type: 4\nOther: y\n\nAAAA\n-----END X-----\n',
  )
  t.match(found, { label: 'X', hasHeaders: true })
  t.equal(found?.der.length, 3)
  t.match(read(block), [{ hasHeaders: false }])
})

t.test('a hostile text takes linear time', async t => {
  const lines = 1 << 16
  for (const text of [
    '-----BEGIN X-----\n'.repeat(lines),
    `${'-----BEGIN X-----\n'.repeat(lines)}${'A'.repeat(lines)}\n-----END Y-----\n`,
    `-----BEGIN X-----\n${'a:\n'.repeat(lines)}`,
    '-----BEGIN X-----\na:\n'.repeat(lines),
  ])
    t.same(read(text), [])
})
