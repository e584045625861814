import { execFileSync } from 'node:child_process'
import t from 'tap'
import {
  chown,
  readdir,
  readFile,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import path from 'node:path'
import { podfsHere } from '../helpers/create-runs.ts'
import { podfs, podfsMounts, startPodfs } from '../helpers/podfs.ts'
import { cannotStart, closedClone, needsRoot } from '../helpers/capability.ts'

const skip = cannotStart()

const here = { cwd: '/' }
const generic = ['create', 'secret', 'generic', 'db']
const password = '--from-literal=password=hunter2'

t.test('a group of commands tells which there are', async t => {
  const cases = [
    { args: ['create'], code: 2, shows: /configmap, cm.*\n.*secret/ },
    { args: ['create', '--help'], code: 0, shows: /configmap, cm/ },
    { args: ['create', 'secret'], code: 2, shows: /docker-registry/ },
    { args: ['create', 'secret', '-h'], code: 0, shows: /docker-registry/ },
    { args: ['help', 'create', 'secret'], code: 0, shows: /docker-registry/ },
    {
      args: ['create', 'secret', 'generic', '--help'],
      code: 0,
      shows: /Examples:\n[^]*--save k8s\/[^]*--dry-run\[=client\]/,
    },
    {
      args: ['create', 'cm', '--help'],
      code: 0,
      shows: /podfs create configmap/,
    },
  ]
  for (const { args, code, shows } of cases) {
    const ended = await podfsHere(args, here)
    t.equal(ended.code, code, args.join(' '))
    t.match(code === 0 ? ended.stdout : ended.stderr, shows)
    t.equal(code === 0 ? ended.stderr : ended.stdout, '')
  }
})

t.test('what was mistyped is named, and never a value', async t => {
  const dir = t.testdir({
    other: 'hunter2',
    env: 'A=1\nhunter2\nhunter2\n',
    bad: Buffer.from('A=hunter2\xff\n', 'latin1'),
  })
  const cases = [
    {
      args: ['create', 'secrt'],
      stderr:
        'error: unknown command "create secrt"\n  did you mean podfs create secret?\n',
    },
    {
      args: ['create', 'secret', 'genric', 'db'],
      stderr:
        'error: unknown command "create secret genric"\n  did you mean podfs create secret generic?\n',
    },
    {
      args: ['create', '--from-literal=password=hunter2', 'secret'],
      stderr: 'error: unknown flag --from-literal\n  podfs create --help\n',
    },
    {
      args: [...generic, '--from-litral=password=hunter2'],
      stderr:
        'error: unknown flag --from-litral\n  did you mean --from-literal?\n',
    },
    {
      args: [...generic, '--from-literal=hunter2'],
      stderr: 'error: invalid literal source number 1, expected key=value\n',
    },
    {
      args: [...generic, '--from-env-file=env'],
      stderr:
        'error: cannot add key A, another key by that name already exists\n',
      env: 'A=1\nA=hunter2',
    },
    {
      args: [...generic, '--from-env-file=bad'],
      stderr: 'error: env file bad contains invalid utf8 bytes at line 1\n',
    },
    {
      args: [
        'create',
        'secret',
        'docker-registry',
        'pull',
        '--docker-username=a',
        '--docker-password',
        '-hunter2',
      ],
      stderr:
        'error: --docker-password needs a PASSWORD\n  if it begins with a dash: --docker-password=PASSWORD\n',
    },
    {
      args: [...generic, 'hunter2'],
      stderr: 'error: exactly one NAME is required, got 2\n',
    },
    {
      args: [...generic, password, '--dry-run=server'],
      stderr:
        'error: --dry-run=server: podfs has no API server to send it to\n  --dry-run=client\n',
    },
    {
      args: [...generic, password, '--dry-run=none'],
      stderr:
        'error: --dry-run=none: podfs has no API server to send it to\n  --dry-run=client\n',
    },
    {
      args: [...generic, password, '-o', 'wide'],
      stderr: 'error: -o wide: must be one of yaml, json, name\n',
    },
    {
      args: [...generic, password, '-o', 'name', '--save', '.'],
      stderr: 'error: --save writes a manifest: -o yaml or json\n',
    },
  ]
  for (const { args, stderr, env } of cases) {
    if (env !== undefined) await writeFile(path.join(dir, 'env'), env)
    const ended = await podfsHere(args, { cwd: dir })
    t.strictSame(ended, { code: 2, stdout: '', stderr })
  }
})

t.test('a command written for kubectl works as it is', async t => {
  const expected = (await podfsHere([...generic, password], here)).stdout
  t.match(expected, /^apiVersion: v1\ndata:\n {2}password: aHVudGVyMg==\n/)
  const cases = [
    [...generic, password, '--dry-run=client', '-o', 'yaml'],
    [...generic, '--dry-run', '-oyaml', password],
    [...generic, password, '-o=yaml', '--append-hash=false'],
    ['create', 'secret', 'generic', '--from-literal', 'password=hunter2', 'db'],
  ]
  for (const args of cases) {
    const { stdout, stderr, code } = await podfsHere(args, here)
    t.strictSame(
      { stdout, stderr, code },
      { stdout: expected, stderr: '', code: 0 },
    )
  }
})

t.test(
  'a manifest that no API server takes is printed with a warning',
  async t => {
    const { stdout, stderr, code } = await podfsHere(
      [
        'create',
        'secret',
        'generic',
        'Db',
        '--type=kubernetes.io/basic-auth',
        '--from-literal=user=hunter2',
      ],
      here,
    )
    t.equal(code, 0)
    t.match(stdout, /\n {2}name: Db\n/)
    t.match(
      stderr,
      /^warning: Secret Db: metadata.name: Invalid value: "Db": a lowercase RFC 1123 subdomain/m,
    )
    t.match(stderr, /^warning: Secret Db: data\[username\]: Required value$/m)
    t.notMatch(stderr, /hunter2/)
  },
)

t.test(
  '--save writes a file for its owner, and replaces only its own',
  async t => {
    const dir = t.testdir({})
    const save = (...args: string[]) => podfsHere(args, { cwd: dir })
    const file = path.join(dir, 'k8s/db-secret.yaml')

    const first = await save(...generic, password, '--save', 'k8s')
    t.strictSame(first, {
      code: 0,
      stdout: 'k8s/db-secret.yaml\n',
      stderr: '',
    })
    const printed = (await save(...generic, password)).stdout
    t.equal(await readFile(file, 'utf8'), printed)
    t.equal((await stat(file)).mode & 0o7777, 0o600)

    const before = (await stat(file)).ino
    const second = await save(
      ...generic,
      '--from-literal=password=new',
      '--save=k8s/',
    )
    t.equal(second.stdout, 'k8s/db-secret.yaml\n')
    t.match(await readFile(file, 'utf8'), /password: bmV3\n/)
    t.not((await stat(file)).ino, before, 'another file took its place')
    t.equal((await stat(file)).mode & 0o7777, 0o600)

    const cm = ['create', 'configmap', 'db', '--from-literal=a=# b\n# c']
    t.equal(
      (await save(...cm, '--save', 'k8s')).stdout,
      'k8s/db-configmap.yaml\n',
    )
    t.equal((await save(...cm, '--save', 'k8s')).code, 0)
    t.equal(
      (await save(...cm, '--save', 'k8s', '-o', 'json')).stdout,
      'k8s/db-configmap.json\n',
    )
    t.equal((await save(...cm, '--save', 'k8s', '-o', 'json')).code, 0)
    t.equal(
      (await stat(path.join(dir, 'k8s/db-configmap.yaml'))).mode & 0o7777,
      0o644,
    )
    t.strictSame(
      await readdir(path.join(dir, 'k8s')),
      ['db-configmap.json', 'db-configmap.yaml', 'db-secret.yaml'],
      'nothing is left beside them',
    )

    const work = [
      `${printed}# mine\n`,
      printed.replace('  name: db\n', '  labels: {app: db}\n  name: db\n'),
      printed.replace('name: db', 'name: other'),
      `${printed}---\n${printed}`,
      'not: [yaml',
      '',
    ]
    for (const text of work) {
      await writeFile(file, text)
      const ended = await save(...generic, password, '--save', 'k8s')
      t.equal(ended.code, 1)
      t.match(
        ended.stderr,
        /^error: k8s\/db-secret.yaml is there already and holds more than podfs create writes, or something else\n/,
      )
      t.equal(ended.stdout, '')
      t.equal(await readFile(file, 'utf8'), text)
    }
  },
)

t.test(
  '--save on a full disk leaves nothing',
  { skip: skip || needsRoot('mount') },
  async t => {
    const dir = t.testdir({ full: {} })
    const full = path.join(dir, 'full')
    const save = () =>
      podfsHere([...generic, password, '--save', 'full'], { cwd: dir })
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'podfs-test', full])
    // Not in a teardown, which comes after the directory is removed.
    try {
      t.equal((await save()).code, 0)
      const file = path.join(full, 'db-secret.yaml')
      const before = await readFile(file, 'utf8')
      await writeFile(path.join(full, 'fill'), Buffer.alloc(4096))
      const ended = await save()
      t.equal(ended.code, 1)
      t.match(
        ended.stderr,
        /^error: cannot save full\/db-secret.yaml: no space left on device\n/,
      )
      t.equal(ended.stdout, '')
      t.strictSame((await readdir(full)).toSorted(), ['db-secret.yaml', 'fill'])
      t.equal(await readFile(file, 'utf8'), before, 'the old one is as it was')
    } finally {
      execFileSync('umount', [full])
    }
  },
)

t.test('--save tells why it cannot', async t => {
  const dir = t.testdir({ file: '', sub: { 'db-secret.yaml': {} } })
  await symlink('nowhere', path.join(dir, 'dangling'))
  const cases = [
    { to: 'file', stderr: /^error: cannot save file: not a directory\n/ },
    {
      to: 'a/b',
      stderr: /^error: cannot save a\/b: no such file or directory\n/,
    },
    { to: 'dangling', stderr: /^error: cannot save dangling: / },
    {
      to: 'sub',
      stderr: /^error: cannot save sub\/db-secret.yaml: is a directory\n/,
    },
    { to: '', stderr: /^error: --save needs a DIR\n/, code: 2 },
  ]
  for (const { to, stderr, code = 1 } of cases) {
    const ended = await podfsHere([...generic, password, `--save=${to}`], {
      cwd: dir,
    })
    t.equal(ended.code, code, to)
    t.match(ended.stderr, stderr)
  }
  const wrong = await podfsHere(['create', 'cm', '../x', '--save=sub'], {
    cwd: dir,
  })
  t.equal(wrong.code, 1)
  t.match(
    wrong.stderr,
    /^error: ConfigMap \.\.\/x: metadata.name: Invalid value/,
  )
  t.strictSame(await readdir(path.join(dir, 'sub')), ['db-secret.yaml'])
})

t.test('a slow reader gets all of it', async t => {
  const size = 1_500_000
  const dir = t.testdir({ big: 'x'.repeat(size) })
  const { stdout, stderr } = await podfs(
    t,
    ['create', 'configmap', 'web', '--from-file=big'],
    { cwd: dir, wrapper: ['sh', '-c', '"$@" | { sleep 0.5; wc -c; }', 'sh'] },
  )
  t.ok(Number(stdout) > size, stdout)
  t.equal(
    stderr,
    'warning: ConfigMap web: Too long: may not be more than 1048576 bytes\n',
  )
})

t.test(
  'any user may create',
  { skip: skip || closedClone() || needsRoot('user') },
  async t => {
    const home = t.testdir({})
    await chown(home, 65534, 65534)
    const { code, stderr, stdout } = await podfs(
      t,
      [...generic, password, '--save', home],
      {
        // Without tap's own part of it, which would write its notes where it may not.
        wrapper: [
          'env',
          '--unset=NODE_OPTIONS',
          'setpriv',
          '--reuid=65534',
          '--regid=65534',
          '--clear-groups',
        ],
      },
    )
    t.equal(stderr, '')
    t.equal(code, 0)
    const { uid, mode } = await stat(stdout.trim())
    t.strictSame({ uid, mode: mode & 0o7777 }, { uid: 65534, mode: 0o600 })
  },
)

/** Each a file; without U+2028 and U+2029, which YAML 1.1 and 1.2 read differently. */
const nasty: Readonly<Record<string, string | Buffer>> = {
  empty: '',
  blank: ' ',
  newline: '\n',
  newlines: '\n\n\n',
  'leading-break': '\n\n a\n',
  'leading-blank': '  a\n b\n',
  'trailing-blank': 'a \nb ',
  crlf: 'a\r\nb\r\n',
  tabs: 'a:\n\tb\t\n',
  bom: '\ufeffa b\n',
  nul: 'a\0b',
  controls: Buffer.from(Array.from({ length: 32 }, (_, i) => i)),
  del: '\x7f\u0080\u0085\u009f\n',
  noncharacters: '\ufffe\uffff',
  emoji: 'x😀\n',
  long: 'word '.repeat(60),
  'long-quoted': `"${"it's ".repeat(60)}`,
  'long-blanks': `\t${'w   '.repeat(60)}x`,
  yes: 'yes',
  null: '~',
  number: '0x1f',
  float: '.5_0',
  date: '2001-01-01',
  clock: '12:30:45',
  merge: '<<',
  markers: '--- a\n...\n',
  comment: '# a\n#b\n',
  indicator: '- a: {b}\n',
  binary: Buffer.from([0xff, 0, 0xfe]),
  surrogate: Buffer.from([0xed, 0xa0, 0x80]),
  '123': 'a',
  on: 'b',
  ['k'.repeat(200)]: 'c\nd\n',
}

t.test(
  'what create prints is valid, and mounts to the same bytes',
  { skip },
  async t => {
    const dir = t.testdir({ values: {} })
    for (const [name, content] of Object.entries(nasty))
      await writeFile(path.join(dir, 'values', name), content)
    for (const [kind, format, ...words] of [
      ['configmap', 'yaml', 'configmap'],
      ['secret', 'json', 'secret', 'generic'],
    ] as const) {
      const create = ['create', ...words, 'nasty', '--from-file=values']
      const printed = await podfsHere([...create, '-o', format], { cwd: dir })
      const validated = await podfs(t, ['validate', '-f', '-'], {
        input: printed.stdout,
      })
      t.equal(validated.code, 0, validated.stdout)
      t.match(
        validated.stdout,
        /^stdin:1:1: \w+ default\/nasty: \d fields supported\n$/,
      )
      const saved = await podfsHere([...create, '-o', format, '--save', kind], {
        cwd: dir,
      })
      const mountpoint = path.join(dir, `mnt-${kind}`)
      const run = startPodfs(
        t,
        ['mount', '-f', saved.stdout.trim(), `--${kind}`, 'nasty', mountpoint],
        { cwd: dir },
      )
      await run.saw(/ready/)
      for (const [name, content] of Object.entries(nasty))
        t.strictSame(
          await readFile(path.join(mountpoint, name)),
          Buffer.from(content as string),
          `${kind} ${name}`,
        )
      run.child.kill('SIGINT')
      t.equal((await run.ended).code, 0)
    }
    t.strictSame(podfsMounts(), [])
  },
)
