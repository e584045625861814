import t from 'tap'

import { OutputLines } from '../../src/runner/lifecycle/output-lines.ts'
import { FakeClock } from '../helpers/fake-clock.ts'

function collect(names = ['web', 'sidecar']) {
  const clock = new FakeClock()
  const written: string[] = []
  const lines = new OutputLines(
    (stream, bytes) => written.push(`${stream}: ${bytes.toString()}`),
    clock,
  )
  lines.setLabels(new Map(names.map(name => [name, name])))
  const push = (name: string, text: string | Buffer) =>
    lines.push(name, 'stdout', Buffer.from(text))
  /** What was written since the last call, as it looks on a terminal. */
  const screen = () =>
    written
      .splice(0)
      .join('')
      .replaceAll(/(stdout|stderr): /g, '')
  return { lines, push, written, clock, screen }
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

t.test('a line over 64 KiB is one line', async t => {
  const { push, screen, clock } = collect()
  const long = 'x'.repeat(64 * 1024)
  for (let i = 0; i < 8; i++) {
    push('web', long)
    await clock.advance(100)
    push('sidecar', 'other\n')
  }
  push('web', 'end\n')
  t.equal(
    screen(),
    `${'sidecar | other\n'.repeat(8)}web     | ${long.repeat(8)}end\n`,
  )
})

t.test('one of 1 MiB is shown as it comes, and is still one', async t => {
  const { push, screen, lines } = collect(['c'])
  const half = 'x'.repeat(512 * 1024)
  push('c', half)
  t.equal(screen(), '')
  push('c', half)
  t.equal(screen(), `c | ${half}${half}`)
  push('c', half)
  t.equal(screen(), half, 'nothing more is kept')
  push('c', 'end\nnext')
  lines.end('c')
  t.equal(screen(), 'end\nc | next\n')
})

t.test('a prompt is shown after a moment, and goes on', async t => {
  const { push, screen, clock } = collect(['c'])
  push('c', 'Name')
  await clock.advance(100)
  push('c', ': ')
  await clock.advance(149)
  t.equal(screen(), '', 'more may come')
  await clock.advance(1)
  t.equal(screen(), 'c | Name: ')
  push('c', 'Jo')
  t.equal(screen(), 'Jo')
  push('c', 'e\nHello\n')
  t.equal(screen(), 'e\nc | Hello\n')
  await clock.advance(1000)
  t.equal(screen(), '')
  t.equal(clock.pending, 0)
})

t.test('a progress line that is never silent is shown, too', async t => {
  const { push, screen, clock } = collect(['c'])
  for (let i = 0; i < 10; i++) {
    push('c', '.')
    await clock.advance(100)
  }
  t.equal(screen(), 'c | ..........')
  push('c', '.')
  t.equal(screen(), '.')
})

t.test('a line that is shown is completed before another', async t => {
  const { lines, push, screen, clock } = collect()
  push('web', 'Loading')
  await clock.advance(150)
  push('sidecar', 'one\n')
  t.equal(screen(), 'web     | Loading\nsidecar | one\n')
  push('web', ' 10%')
  t.equal(screen(), '', 'held as any beginning')
  await clock.advance(150)
  t.equal(screen(), 'web     |  10%')
  push('sidecar', 'two')
  await clock.advance(150)
  t.equal(screen(), '\nsidecar | two')
  push('web', '\n')
  t.equal(screen(), '', 'its newline is there')
  push('sidecar', '\n')
  push('web', 'three\n\n')
  t.equal(screen(), '\nweb     | three\nweb     | \n')

  // Of the other stream, too: a terminal shows both.
  push('web', '?')
  await clock.advance(150)
  lines.push('web', 'stderr', Buffer.from('error\n'))
  t.equal(screen(), 'web     | ?\nweb     | error\n')
  lines.end('web')
  t.equal(screen(), '', 'nothing is left of it')
})

t.test('something else is written', async t => {
  const { lines, push, screen, clock } = collect(['c'])
  lines.interrupt()
  t.equal(screen(), '')
  push('c', '?')
  await clock.advance(150)
  lines.interrupt()
  lines.interrupt()
  t.equal(screen(), 'c | ?\n')
  push('c', '!\n?')
  await clock.advance(150)
  lines.keepInterrupted()
  t.equal(screen(), 'c | !\nc | ?\n')
  push('c', ' 10%')
  await clock.advance(150)
  t.equal(screen(), 'c |  10%\n', 'with a newline, as of now')
  push('c', '\ndone\n')
  t.equal(screen(), 'c | done\n')
})

t.test('a character is never cut', async t => {
  const { push, clock, written, screen } = collect(['c'])
  const text = 'aéࠀ€🦭'
  for (const byte of Buffer.from(text)) {
    push('c', Buffer.of(byte))
    await clock.advance(1000)
  }
  t.same(
    written.map(part => part.replace('stdout: ', '')),
    ['c | a', 'é', 'ࠀ', '€', '🦭'],
  )
  screen()
  push('c', '\n')
  t.equal(screen(), '\n')
})

t.test('bytes that are no UTF-8 pass', async t => {
  const parts: Buffer[] = []
  const clock = new FakeClock()
  const lines = new OutputLines((_, bytes) => parts.push(bytes), clock)
  lines.push('c', 'stdout', Buffer.from([0xff, 0x80, 0x0a]))
  t.same(parts.splice(0), [
    Buffer.from([0x63, 0x20, 0x7c, 0x20, 0xff, 0x80, 0x0a]),
  ])
  lines.push('c', 'stdout', Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80]))
  await clock.advance(150)
  t.equal(parts.length, 1, 'also where no character begins')
  // What is no character's end is shown with the end of the line.
  lines.push('c', 'stdout', Buffer.of(0xe2))
  lines.end('c')
  t.same(parts.at(-1), Buffer.of(0xe2, 0x0a))
})
