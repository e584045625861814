import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import {
  LogTail,
  terminationMessage,
} from '../../src/runner/lifecycle/termination-message.ts'
import { TerminationLogs } from '../../src/runner/termination-logs.ts'

const bytes = (text: string): Buffer => Buffer.from(text)

t.test('which of the two counts', async t => {
  const none = Buffer.alloc(0)
  const cases = [
    [0, bytes('file'), bytes('log'), 'file'],
    [1, bytes('file'), bytes('log'), 'file'],
    [1, none, bytes('log'), 'log'],
    [0, none, bytes('log'), undefined],
    [1, none, none, undefined],
    [1, none, undefined, undefined],
    [1, Buffer.of(0x61, 0xff), undefined, 'a\ufffd'],
  ] as const
  for (const [exitCode, file, log, message] of cases)
    t.equal(terminationMessage(exitCode, file, log), message)
})

function tail(
  ...chunks: readonly (readonly ['stdout' | 'stderr', string])[]
): string {
  const log = new LogTail()
  for (const [stream, chunk] of chunks) log.push(stream, bytes(chunk))
  return log.text().toString()
}

t.test('the end of a log', async t => {
  t.equal(tail(), '')
  t.equal(tail(['stdout', 'a\n'], ['stdout', '\nb']), 'a\n\nb')
  t.equal(
    tail(['stdout', 'be'], ['stderr', 'x\ny'], ['stdout', 'gun\n']),
    'x\nbegun\ny',
    'lines stand in it as they were finished',
  )
  const lines = Array.from({ length: 81 }, (_, i) => `${i}\n`)
  t.equal(tail(['stdout', lines.join('')]), lines.slice(1).join(''))
  t.equal(
    tail(...lines.map(line => ['stdout', line] as const), ['stderr', 'z']),
    `${lines.slice(2).join('')}z`,
    'one without its end is a line, too',
  )
  t.equal(tail(['stdout', '\n'.repeat(100)]), '\n'.repeat(80))
  t.equal(tail(['stdout', '\n'.repeat(80)]), '\n'.repeat(80))
  t.equal(tail(['stdout', `${'x'.repeat(3000)}\n`]).length, 2048)
  t.equal(
    tail(['stdout', 'x'.repeat(3000)], ['stdout', `${'y'.repeat(40)}\n`]),
    `${'x'.repeat(2007)}${'y'.repeat(40)}\n`,
  )
  t.equal(
    tail(['stdout', `${'x'.repeat(2047)}\n`], ['stderr', 'z'.repeat(9)]),
    `${'x'.repeat(2038)}\n${'z'.repeat(9)}`,
  )
})

t.test('a log that is long leaves nothing in memory', async t => {
  const log = new LogTail()
  const chunk = Buffer.alloc(1024 * 1024, 'x')
  for (let i = 0; i < 100; i += 1) log.push('stdout', chunk)
  chunk.fill('y')
  t.equal(log.text().toString(), 'x'.repeat(2048), 'a copy is kept')
})

t.test('its file: the end, and only of a file', async t => {
  const directory = `${t.testdir({ secret: 'secret' })}/logs`
  const logs = new TerminationLogs(directory)
  const path = logs.next('c')
  t.equal(logs.next('c'), path, 'until it is taken')
  writeFileSync(path, 'a'.repeat(10) + 'b'.repeat(4096))
  const log = logs.take('c')
  t.equal(log.read().toString(), 'b'.repeat(4096))
  t.equal(log.read().length, 0, 'once')
  const put: Readonly<Record<string, (path: string) => void>> = {
    'a link': path => symlinkSync('../secret', path),
    'a FIFO': path => execFileSync('sh', ['-c', 'mkfifo "$0"', path]),
    'a directory': path => mkdirSync(path),
    nothing: () => undefined,
  }
  for (const [what, make] of Object.entries(put)) {
    const path = logs.next('c')
    rmSync(path)
    make(path)
    const log = logs.take('c')
    t.equal(log.read().length, 0, what)
  }
})
