import { execFileSync } from 'node:child_process'
import t from 'tap'
import { shellWord } from '../../src/util/shell-word.ts'

t.test('a shell reads the word as it was', async t => {
  for (const word of [
    '/a/b.yaml',
    '/né pods/x',
    "it's",
    '$HOME',
    'a;b',
    '*',
    '',
  ])
    t.equal(
      execFileSync('sh', ['-c', `printf %s ${shellWord(word)}`], {
        encoding: 'utf8',
      }),
      word,
    )
})

t.test('what needs no quotes has none', async t => {
  t.equal(shellWord('/etc/podfs/podfs.yaml'), '/etc/podfs/podfs.yaml')
})
