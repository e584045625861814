import t from 'tap'

import { OutputLines } from '../../src/runner/output-lines.ts'

function collect(names = ['web', 'sidecar']) {
  const written: string[] = []
  const lines = new OutputLines((stream, bytes) =>
    written.push(`${stream}: ${bytes.toString()}`),
  )
  lines.setLabels(new Map(names.map(name => [name, name])))
  const push = (name: string, text: string | Buffer) =>
    lines.push(name, 'stdout', Buffer.from(text))
  return { lines, push, written }
}

t.test('prefixes each line, padded to the longest name', async t => {
  const { push, written } = collect()
  push('web', 'one\ntwo\n')
  push('sidecar', '\n')
  t.same(written, [
    'stdout: web     | one\nweb     | two\n',
    'stdout: sidecar | \n',
  ])
})

t.test('a label may change, and the padding with it', async t => {
  const { lines, push, written } = collect(['c'])
  push('c', 'one\nha')
  lines.setLabels(
    new Map([
      ['c', 'web/c'],
      ['d', 'db/main'],
    ]),
  )
  push('c', 'lf\n')
  push('d', 'x\n')
  t.same(written, [
    'stdout: c | one\n',
    'stdout: web/c   | half\n',
    'stdout: db/main | x\n',
  ])
})

t.test(
  'a label acts on no terminal; what a container prints is its own',
  async t => {
    const { lines, push, written } = collect(['c'])
    lines.setLabels(new Map([['c', '\u001b]0;x\u0007\n']]))
    push('c', '\u001b[1mbold\n')
    lines.push('\u001b[2J', 'stdout', Buffer.from('x\n'))
    t.same(written, [
      'stdout: \\x1b]0;x\\a\\n | \u001b[1mbold\n',
      'stdout: \\x1b[2J      | x\n',
    ])
  },
)

t.test('a line waits for its end, each stream for itself', async t => {
  const { lines, push, written } = collect(['c'])
  push('c', 'ha')
  lines.push('c', 'stderr', Buffer.from('error'))
  push('c', 'lf\nrest')
  t.same(written, ['stdout: c | half\n'])
  lines.end('c')
  lines.end('c')
  t.same(written.slice(1), ['stdout: c | rest\n', 'stderr: c | error\n'])
})

t.test('64 KiB without a newline come in pieces', async t => {
  const { lines, push, written } = collect(['c'])
  const size = 64 * 1024
  push('c', 'x'.repeat(size - 1))
  t.equal(written.length, 0)
  push('c', 'x'.repeat(size + 11))
  t.ok(written.length > 0, 'does not wait for more')
  push('c', 'end\n')
  lines.end('c')
  const text = written.join('').replaceAll('stdout: ', '')
  const pieces = text.split('\n').filter(Boolean)
  t.ok(pieces.every(piece => piece.startsWith('c | ')))
  t.ok(pieces.every(piece => piece.length <= size + 4))
  t.equal(
    pieces.map(piece => piece.slice(4)).join(''),
    `${'x'.repeat(2 * size + 10)}end`,
  )
})

t.test('a character is never cut', async t => {
  for (const offset of [0, 1, 2, 3]) {
    const { push, written } = collect(['c'])
    const text = 'a'.repeat(offset) + '🦭'.repeat(40_000)
    const bytes = Buffer.from(`${text}\n`)
    for (let at = 0; at < bytes.length; at += 10_001) {
      push('c', bytes.subarray(at, at + 10_001))
    }
    const out = written.join('').replaceAll('stdout: ', '')
    t.notOk(out.includes('\uFFFD'))
    t.equal(out.replaceAll(/c \| |\n/g, ''), text)
  }
})

t.test('bytes that are no UTF-8 pass', async t => {
  const parts: Buffer[] = []
  const lines = new OutputLines((_, bytes) => parts.push(bytes))
  lines.push('c', 'stdout', Buffer.from([0xff, 0x80, 0x0a]))
  t.same(parts, [Buffer.from([0x63, 0x20, 0x7c, 0x20, 0xff, 0x80, 0x0a])])
  const long = Buffer.alloc(200_000, 0x80)
  lines.push('c', 'stdout', long)
  t.ok(parts.length > 1, 'ends also where no character begins')
})
