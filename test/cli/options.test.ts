import t from 'tap'
import { parseOptions, type Options } from '../../src/cli/options.ts'

const options = {
  output: { short: 'o', value: 'FORMAT', help: '' },
  'from-literal': { value: 'KEY=VALUE', repeatable: true, help: '' },
  'dry-run': { value: 'client', bare: 'client', help: '' },
  'append-hash': { help: '' },
  help: { short: 'h', help: '' },
} as const satisfies Options

t.test('flags as kubectl takes them', async t => {
  const cases: {
    argv: string[]
    output?: string
    literals?: string[]
    dryRun?: string
    hash?: boolean
    positionals?: string[]
  }[] = [
    { argv: ['-o=yaml'], output: 'yaml' },
    { argv: ['-oyaml'], output: 'yaml' },
    { argv: ['-o', 'yaml'], output: 'yaml' },
    { argv: ['--output=a=b'], output: 'a=b' },
    { argv: ['--output', '-1', 'web'], output: '-1', positionals: ['web'] },
    { argv: ['--append-hash'], hash: true },
    { argv: ['--append-hash=true'], hash: true },
    { argv: ['--append-hash=false'], hash: false },
    { argv: ['--dry-run', 'web'], dryRun: 'client', positionals: ['web'] },
    { argv: ['--dry-run=server'], dryRun: 'server' },
    { argv: ['--dry-run', '-o', 'json'], dryRun: 'client', output: 'json' },
    { argv: ['--from-literal=a=--dry-run'], literals: ['a=--dry-run'] },
    { argv: ['--from-literal', '-'], literals: ['-'] },
    {
      argv: ['--', '-o=yaml', '--append-hash=true'],
      positionals: ['-o=yaml', '--append-hash=true'],
    },
  ]
  for (const { argv, ...expected } of cases) {
    const parsed = parseOptions(argv, options)
    t.strictSame(
      {
        output: parsed.value('output'),
        literals: parsed.values('from-literal'),
        dryRun: parsed.value('dry-run'),
        hash: parsed.flag('append-hash'),
        positionals: parsed.positionals,
      },
      {
        output: undefined,
        literals: [],
        dryRun: undefined,
        hash: false,
        positionals: [],
        ...expected,
      },
      argv.join(' '),
    )
  }
})

t.test('what cannot be read', async t => {
  const cases = [
    { argv: ['--output'], message: '--output needs a FORMAT' },
    {
      argv: ['--from-literal', '-secret'],
      message: '--from-literal needs a KEY=VALUE',
      fix: 'if it begins with a dash: --from-literal=KEY=VALUE',
    },
    { argv: ['--append-hash=maybe'], message: /append-hash/ },
    { argv: ['--outptu=x'], message: 'unknown flag --outptu' },
  ]
  for (const { argv, ...expected } of cases)
    t.throws(() => parseOptions(argv, options), { kind: 'usage', ...expected })
})
