import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { Script } from 'node:vm'
import { shellWord } from '../../src/util/shell-word.ts'
import t, { type Test } from 'tap'
import { cannotStart, closedClone, needsRoot } from '../helpers/capability.ts'

const skip = cannotStart() || needsRoot('mount')

/** An empty place to install to, and what is done there. */
function place(t: Test) {
  const destdir = t.testdir({ root: {} }) + '/root'
  const run = (
    script: 'install:system' | 'uninstall:system',
    env: NodeJS.ProcessEnv = {},
  ) =>
    spawnSync('npm', ['run', '--silent', script], {
      encoding: 'utf8',
      env: { ...process.env, DESTDIR: destdir, ...env },
    })
  return {
    destdir,
    run,
    install: (env?: NodeJS.ProcessEnv) => {
      const { status, stderr } = run('install:system', env)
      t.equal(status, 0, stderr)
    },
    uninstall: (env?: NodeJS.ProcessEnv) => {
      const { status, stdout, stderr } = run('uninstall:system', env)
      t.equal(status, 0, stderr)
      return stdout
    },
    files: () => readdirSync(destdir, { recursive: true }).map(String).sort(),
    at: (...parts: string[]) => path.join(destdir, ...parts),
  }
}

t.test('puts everything in place, and takes all of it away', async t => {
  const { install, uninstall, files, at } = place(t)
  install()
  for (const file of [
    'usr/local/bin/podfs',
    'usr/local/lib/podfs/podfs.cjs',
    'usr/local/lib/podfs/keeper.sh',
    'usr/local/lib/systemd/system/podfs.service',
    'usr/local/lib/systemd/system/podfs-mount@.service',
    'usr/local/lib/systemd/user/podfs.service',
    'usr/local/share/bash-completion/completions/podfs',
    'usr/local/share/man/man1/podfs.1',
    'usr/local/share/doc/podfs/operations.md',
    'etc/podfs/podfs.yaml',
    'etc/podfs/podfs.schema.json',
    'etc/podfs/mounts',
  ])
    t.ok(existsSync(at(file)), file)
  t.equal(statSync(at('usr/local/bin/podfs')).mode & 0o7777, 0o755)
  t.ok(
    files().some(file => file.endsWith('sbin/mount.podfs')),
    'where mount(8) looks',
  )
  t.notOk(existsSync(at('etc/apparmor.d')), 'an older AppArmor would refuse it')
  install() // again: an upgrade
  t.equal(uninstall(), '')
  t.same(files(), [])
})

t.test('a profile for an AppArmor that restricts user namespaces', async t => {
  const { install, uninstall, files, at } = place(t)
  mkdirSync(at('etc/apparmor.d/abi'), { recursive: true })
  writeFileSync(at('etc/apparmor.d/abi/4.0'), '')
  install({ PREFIX: '/usr' })
  const profile = readFileSync(at('etc/apparmor.d/podfs'), 'utf8')
  t.match(profile, /^profile podfs \/usr\/bin\/podfs .*\n {2}userns,$/m)
  t.match(profile, /^abi <abi\/4.0>,$/m)
  uninstall({ PREFIX: '/usr' })
  t.same(files(), [
    'etc',
    'etc/apparmor.d',
    'etc/apparmor.d/abi',
    'etc/apparmor.d/abi/4.0',
  ])
})

t.test('what is installed runs without the project', { skip }, async t => {
  const { install, destdir, at } = place(t)
  install()
  t.strictSame(
    readdirSync(at('usr/local/lib/podfs'))
      .filter(name => !['installed', 'node_modules'].includes(name))
      .sort(),
    // Their list, benchmarks and a test's own program are there, too.
    readdirSync('dist')
      .filter(name => !/^files.txt$|^bench|^inotify-printer/.test(name))
      .sort(),
    'all that is built',
  )
  const koffi = spawnSync(
    process.execPath,
    [
      '-e',
      'require("koffi").load(null); console.log(Object.keys(require.cache).join("\\n"))',
    ],
    { cwd: at('usr/local/lib/podfs'), encoding: 'utf8' },
  )
  for (const file of koffi.stdout.trim().split('\n'))
    t.ok(file.startsWith(at('usr/local/lib/podfs/node_modules')), file)
  t.match(koffi.stdout, /koffi\.node$/m, 'and what terminals need')
  // Where it thinks that it is.
  const inPlace = (command: string) =>
    spawnSync(
      'unshare',
      [
        '--mount',
        'sh',
        '-c',
        `mount --bind "$0/usr/local" /usr/local && cd / && ${command}`,
        destdir,
      ],
      { encoding: 'utf8' },
    )
  t.match(inPlace('/usr/local/bin/podfs --version').stdout, /^podfs \d/)
  const { stdout, stderr } = inPlace('/usr/local/bin/podfs doctor -o json')
  t.match(JSON.parse(stdout), [{}], stderr)
  t.match(stdout, /"swap on fuse",\s+"status": "ok"/, 'keeper and server, too')
  const sops = path.resolve('test/fixtures/sops')
  const validated = inPlace(
    `SOPS_AGE_KEY_FILE='${sops}/keys.txt' /usr/local/bin/podfs validate -f '${sops}/regex.yaml'`,
  )
  t.match(
    validated,
    { status: 0, stdout: /Secret default\/db: \d+ fields supported$/m },
    'and what decrypts',
  )
})

t.test('PREFIX goes into units and scripts', async t => {
  const { install, uninstall, files, at } = place(t)
  install({ PREFIX: '/usr' })
  const unit = readFileSync(at('usr/lib/systemd/system/podfs.service'), 'utf8')
  t.match(unit, /^ExecStart=\/usr\/bin\/podfs serve /m)
  t.match(unit, /^Documentation=.*file:\/\/\/usr\/share\/doc\/podfs\//m)
  t.notMatch(unit, '/usr/local')
  const helper = files().find(file => file.endsWith('sbin/mount.podfs'))
  t.match(readFileSync(at(helper ?? ''), 'utf8'), /^\/usr\/bin\/podfs /m)
  const page = readFileSync(at('usr/share/doc/podfs/operations.md'), 'utf8')
  t.match(page, '`/usr/lib/systemd/system/podfs.service`')
  t.notMatch(page, '/usr/local')
  uninstall({ PREFIX: '/usr' })
  t.same(files(), [])
})

t.test('the links of the installed pages lead somewhere', async t => {
  const { install, at } = place(t)
  install()
  const pages = at('usr/local/share/doc/podfs')
  const links = readdirSync(pages)
    .filter(name => name.endsWith('.md'))
    .flatMap(name =>
      [
        ...readFileSync(path.join(pages, name), 'utf8')
          .replaceAll(/`[^`]*`/g, '')
          .matchAll(/\]\(([^)#]+)[^)]*\)/g),
      ].map(([, target = '']) => ({ name, target })),
    )
    .filter(({ target }) => !/^https?:/.test(target))
  for (const target of ['cli.md', 'SECURITY.md', 'podfs.yaml'])
    t.ok(
      links.some(link => link.target === target),
      target,
    )
  t.same(
    links.filter(({ target }) => !existsSync(path.join(pages, target))),
    [],
  )
})

t.test('uninstall names what is still mounted', { skip }, async t => {
  const work = t.testdir({ conf: { colour: 'blue' }, upper: {} })
  // A machine of its own, as far as the installer touches it.
  // By variables: there may be blanks in them.
  const script = `set -e
cd "$project"
mount -t tmpfs tmpfs "$work/upper"
mount -t tmpfs tmpfs /run
for place in /usr /etc; do
  mkdir -p "$work/upper$place/upper" "$work/upper$place/work"
  mount -t overlay -o "lowerdir=$place,upperdir=$work/upper$place/upper,workdir=$work/upper$place/work" overlay $place
done
npm run --silent install:system
mount -t podfs "$work/conf" "$work/mnt"
mount -t podfs "$work/conf" "$work/other"
npm run --silent uninstall:system
umount "$work/mnt" "$work/other"
npm run --silent install:system
npm run --silent uninstall:system 2>&1 | grep -cF "$work" || true`
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    ['--mount', 'sh', '-c', script],
    {
      encoding: 'utf8',
      env: { ...process.env, DESTDIR: '', project: process.cwd(), work },
    },
  )
  t.equal(status, 0, stderr)
  // Other tests may have mounts, too.
  t.match(stderr, /^warning: still mounted: '?\//m)
  const [typed = ''] = /^  umount .*$/m.exec(stderr) ?? []
  const words = [`${work}/mnt`, `${work}/other`].map(shellWord).join(' ')
  t.ok(typed.includes(words), stderr)
  t.notMatch(stderr, /\/run\/podfs/, "podfs's own are not named")
  t.match(stdout, /^0$/m, 'once they are unmounted they are not named')
})

t.test('PODFS_NODE may be the name of a program', async t => {
  const { install, destdir, at } = place(t)
  const own = path.join(destdir, '../own')
  mkdirSync(own)
  // The node that runs the tests, with a name of its own and a memory.
  writeFileSync(
    `${own}/own-node`,
    `#!/bin/sh\necho "$*" >>'${own}/log'\nexec '${process.execPath}' "$@"\n`,
    { mode: 0o755 },
  )
  install({ PODFS_NODE: 'own-node', PATH: `${own}:${process.env['PATH']}` })
  t.match(
    readFileSync(at('usr/local/bin/podfs'), 'utf8'),
    `\nexec '${own}/own-node' `,
  )
  t.match(
    readFileSync(`${own}/log`, 'utf8'),
    `code-cache.mjs ${at('usr/local/lib/podfs')}\n`,
    'and it makes the code that it is to run',
  )
  const filename = at('usr/local/lib/podfs/podfs.bundle.cjs')
  const script = new Script(readFileSync(filename, 'latin1'), {
    filename,
    cachedData: readFileSync(`${filename}.cache`),
  })
  t.equal(script.cachedDataRejected, false)
})

t.test('an edited configuration is yours', async t => {
  const { run, install, uninstall, files, at } = place(t)
  install()
  appendFileSync(at('etc/podfs/podfs.yaml'), 'logLevel: debug\n')
  writeFileSync(at('etc/podfs/mounts/web.conf'), 'ARGS=/a /b\n')
  // The version before had another default, and one file more.
  appendFileSync(at('usr/local/share/doc/podfs/podfs.yaml'), '# older\n')
  writeFileSync(at('usr/local/lib/podfs/old.cjs'), '')
  appendFileSync(
    at('usr/local/lib/podfs/installed'),
    'f /usr/local/lib/podfs/old.cjs\n',
  )
  const { stdout } = run('install:system')
  t.match(stdout, /^kept \/etc\/podfs\/podfs.yaml, which you have changed/m)
  t.notOk(existsSync(at('usr/local/lib/podfs/old.cjs')))
  t.match(readFileSync(at('etc/podfs/podfs.yaml'), 'utf8'), /debug\n$/)
  t.equal(uninstall(), 'kept /etc/podfs/podfs.yaml, which you have changed\n')
  t.same(files(), [
    'etc',
    'etc/podfs',
    'etc/podfs/mounts',
    'etc/podfs/mounts/web.conf',
    'etc/podfs/podfs.yaml',
  ])
})

t.test('an untouched configuration follows the version', async t => {
  const { install, at } = place(t)
  install()
  for (const file of [
    'etc/podfs/podfs.yaml',
    'usr/local/share/doc/podfs/podfs.yaml',
  ])
    appendFileSync(at(file), '# older\n')
  install()
  t.equal(
    readFileSync(at('etc/podfs/podfs.yaml'), 'utf8'),
    readFileSync('config/podfs.yaml', 'utf8'),
  )
})

t.test('mistakes are one line, and what to type', async t => {
  const { run, files } = place(t)
  const nothing = run('uninstall:system')
  t.equal(nothing.status, 1)
  t.match(nothing.stderr, /^error: .*: nothing was installed\n {2}PREFIX=/)
  const old = path.join(t.testdirName, 'node')
  writeFileSync(old, '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  t.match(
    run('install:system', { PODFS_NODE: old }).stderr,
    /^error: .+ is older than 20\.19\n {2}PODFS_NODE=/,
  )
  for (const missing of [
    '/nowhere/node',
    'no-such-node',
    '/etc/passwd',
    '/etc',
  ])
    t.match(
      run('install:system', { PODFS_NODE: missing }),
      {
        status: 1,
        stderr: `error: PODFS_NODE=${missing} is not a program\n  PODFS_NODE=/`,
      },
      missing,
    )
  for (const name of ['PREFIX', 'DESTDIR'])
    for (const script of ['install:system', 'uninstall:system'] as const)
      t.match(
        run(script, { [name]: 'tmp/x' }),
        {
          status: 1,
          stderr: `error: ${name}=tmp/x is not a full path\n  ${name}=/`,
        },
        name,
      )
  t.same(files(), [])
})

t.test(
  'a PREFIX that is of no use is told before anything is there',
  async t => {
    const { run, files, at } = place(t)
    for (const [prefix, said] of [
      ['/opt/a b', 'PREFIX=/opt/a b: letters, digits and'],
      ["/opt/it's", "PREFIX=/opt/it's: letters, digits and"],
      ['/opt/%n', 'PREFIX=/opt/%n: letters, digits and'],
    ] as const)
      t.match(
        run('install:system', { PREFIX: prefix }),
        {
          status: 1,
          stderr: `error: ${said} / . _ + ~ @ - only\n  PREFIX=/usr/local npm run`,
        },
        prefix,
      )
    writeFileSync(at('file'), '')
    t.match(run('install:system', { PREFIX: '/file/x' }), {
      status: 1,
      stderr: `error: ${at('file')} is not a directory\n  PREFIX=/usr/local`,
    })
    t.strictSame(files(), ['file'])
  },
)

t.test(
  "a PREFIX that is not root's is refused, and so is who is not root",
  { skip },
  async t => {
    // A PREFIX may have no blank in it; where the project is may.
    const work = mkdtempSync('/tmp/podfs-prefix-')
    t.teardown(() => rmSync(work, { recursive: true }))
    mkdirSync(`${work}/home`)
    chownSync(`${work}/home`, 65534, 65534)
    // Should it not refuse, it would install on an /etc and a /usr that nobody else sees.
    const install = (env: NodeJS.ProcessEnv, ...before: string[]) =>
      spawnSync(
        'unshare',
        [
          '--mount',
          'sh',
          '-c',
          'mount -t tmpfs tmpfs /etc && exec "$@"',
          'sh',
          ...before,
          'sh',
          'systemd/install.sh',
          'install',
        ],
        {
          encoding: 'utf8',
          // tap's own would write where that user may not.
          env: { ...process.env, NODE_OPTIONS: '', DESTDIR: '', ...env },
        },
      )
    t.match(install({ PREFIX: `${work}/home/.local` }), {
      status: 1,
      stderr: `error: ${work}/home is not root's\n  PREFIX=/usr/local npm run`,
    })
    t.strictSame(readdirSync(`${work}/home`), [])
    await t.test('who is not root', { skip: closedClone() }, async t => {
      t.match(
        install(
          { PREFIX: `${work}/home/.local` },
          'setpriv',
          '--reuid=65534',
          '--clear-groups',
        ),
        {
          status: 1,
          stderr:
            /^error: installing needs root, whatever PREFIX is: .*\n {2}as root: npm run install:system; or DESTDIR=/m,
        },
      )
      t.strictSame(readdirSync(`${work}/home`), [])
    })
  },
)

t.test(
  'an installation that fails half-way leaves nothing',
  { skip },
  async t => {
    const { destdir } = place(t)
    // No room for the last of it.
    const { stdout, stderr } = spawnSync(
      'unshare',
      [
        '--mount',
        'sh',
        '-c',
        `mount -t tmpfs -o size=3m tmpfs "$DESTDIR"
sh systemd/install.sh install; echo status $?; find "$DESTDIR" -mindepth 1 | wc -l`,
      ],
      { encoding: 'utf8', env: { ...process.env, DESTDIR: destdir } },
    )
    t.equal(stdout, 'status 1\n0\n', stderr)
    t.match(
      stderr,
      /^error: not installed; what was there of it was taken away again$/m,
    )
  },
)

t.test('bash completes commands, flags and values', async t => {
  const script = spawnSync(
    process.execPath,
    ['dist/podfs.cjs', 'completion', 'bash'],
    {
      encoding: 'utf8',
    },
  ).stdout
  const complete = (...words: string[]): string[] =>
    spawnSync(
      'bash',
      [
        '-c',
        `${script}
compopt() { echo "<$*>"; }
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _podfs; echo "\${COMPREPLY[*]}"`,
        'bash',
        ...words,
      ],
      { encoding: 'utf8' },
    )
      .stdout.trim()
      .split(/\s+/)
  t.same(complete('podfs', 'mou'), ['mount'])
  t.same(complete('podfs', 'create', 'secret', ''), [
    'generic',
    'tls',
    'docker-registry',
  ])
  t.same(complete('podfs', 'create', 'cm', 'x', '--from-l'), ['--from-literal'])
  t.same(complete('podfs', 'mount', '--back'), ['--backend'])
  t.same(complete('podfs', 'mount', '--backend', 'fuse-'), ['fuse-native'])
  t.same(complete('podfs', 'mount', '--backend', '=', 'd'), ['dir'])
  t.same(complete('podfs', 'get', 'pods', '-o', 'y'), ['yaml'])
  t.same(complete('podfs', 'mount', '-n', 'get', '--sec'), ['--secret'])
  t.same(complete('podfs', 'mount', 'conf'), ['<-o', 'default>'], 'files')
})
