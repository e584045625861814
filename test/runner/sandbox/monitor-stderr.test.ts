import { text } from 'node:stream/consumers'
import t from 'tap'
import { MonitorStderr } from '../../../src/runner/sandbox/monitor-stderr.ts'

const notice = 'unshare: sigprocmask unblock failed: Invalid argument\n'
const cases: {
  name: string
  chunks: string[]
  passed?: string
  killed: boolean
}[] = [
  { name: 'nothing', chunks: [], killed: false },
  { name: 'ordinary output', chunks: ['a', 'b\n', 'c'], killed: false },
  { name: 'the notice alone', chunks: [notice], passed: '', killed: true },
  {
    name: 'after lines',
    chunks: [`a\nb\n${notice}`],
    passed: 'a\nb\n',
    killed: true,
  },
  {
    name: 'after half a line',
    chunks: ['a', `b${notice}`],
    passed: 'ab',
    killed: true,
  },
  {
    name: 'in pieces',
    chunks: ['a\nunshare: ', 'sigprocmask unblock failed', notice.slice(35)],
    passed: 'a\n',
    killed: true,
  },
  {
    name: 'in pieces, after a prompt',
    chunks: ['# ', 'unshare: ', notice.slice(9)],
    passed: '# ',
    killed: true,
  },
  { name: 'only its beginning', chunks: ['unshare: sig'], killed: false },
  {
    name: 'a line like it',
    chunks: ['unshare: ', 'foo\n', 'x'],
    killed: false,
  },
  { name: 'not at the end', chunks: [notice, 'more\n'], killed: false },
]
for (const { name, chunks, passed = chunks.join(''), killed } of cases)
  t.test(name, async t => {
    const filter = new MonitorStderr()
    for (const chunk of chunks) filter.write(chunk)
    filter.end()
    t.equal(await text(filter), passed)
    t.equal(filter.killed, killed)
  })

t.test('holds back nothing that cannot be it', async t => {
  const filter = new MonitorStderr()
  for (const echo of ['u', 'n', 'menu', '\nu']) {
    filter.write(echo)
    t.equal(String(filter.read()), echo)
  }
})
