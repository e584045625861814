import t from 'tap'
import type { ContainerMount } from '../../../src/runner/sandbox/container-runtime.ts'
import {
  planRoot,
  type RootPlanOptions,
} from '../../../src/runner/sandbox/root-plan.ts'
import type { RootPlan } from '../../../src/runner/sandbox/planned-root.ts'
import { procMasks } from '../../../src/runner/sandbox/kernel-masks.ts'
import { fakeHost, link, socket } from './fake-host.ts'

const volume = (
  mountPath: string,
  more: Partial<ContainerMount> = {},
): ContainerMount => ({
  source: '/vol',
  mountPath,
  readOnly: false,
  recursive: false,
  ...more,
})

const options: RootPlanOptions = {
  world: '/w',
  mounts: [],
  workingDir: '/',
  hostRoot: false,
  hidden: [],
  privileged: false,
  readOnly: false,
  unmasked: false,
  ownNetwork: false,
  sharedMemory: '/shm',
  hostDirectories: ['/*'],
  visible: [],
}

function plan(
  more: Partial<RootPlanOptions> = {},
  host = fakeHost(),
): RootPlan & { readonly fstabLines: string[]; readonly paths: string[] } {
  const made = planRoot(host, { ...options, ...more })
  return {
    ...made,
    fstabLines: made.fstab.map(({ source, target, type, options }) =>
      `${type === 'none' ? source.replace(/^\/w\/.podfs\/host/, '') : type} ${target.slice(2)} ${options
        .filter(option => !/dir=|^nofail$|^X-|^nodev$/.test(option))
        .join(',')}`.trim(),
    ),
    paths: made.directories.map(({ path }) => path),
  }
}

t.test('system directories are overlays, the rest is the host', async t => {
  const { fstabLines, links, files, paths } = plan()
  t.same(fstabLines, [
    '/proc /proc bind,private',
    'overlay /usr',
    'overlay /etc',
    'overlay /var',
    'overlay /run',
    '/run/docker.sock /run/docker.sock rbind,rprivate',
    '/run/lock /run/lock rbind,rprivate',
    '/w/.podfs/layers/4/upper /dev bind,nosuid',
    '/home /home rbind,rprivate',
    '/vol /vol rbind,rprivate',
    '/.dockerenv /.dockerenv rbind,rprivate',
    '/shm /dev/shm bind,private',
    'mqueue /dev/mqueue nosuid,noexec',
    'devpts /dev/pts newinstance,ptmxmode=0666,mode=0620,gid=5,nosuid,noexec',
  ])
  t.match(links, [
    { path: '/w/bin', target: 'usr/bin' },
    ...['fd', 'stdin', 'stdout', 'stderr', 'ptmx'].map(name => ({
      path: `/w/.podfs/layers/4/upper/${name}`,
    })),
  ])
  t.same(files, ['/w/.dockerenv'])
  t.ok(paths.includes('/w/home'))
})

t.test('what is to be hidden', async t => {
  const host = fakeHost(
    {
      '/run/podfs': { kind: 'directory' },
      '/var/lib': { kind: 'directory', mode: 0o711 },
      '/var/lib/podfs': { kind: 'directory' },
      '/vol/run': { kind: 'directory' },
      '/vol/run/podfs': { kind: 'directory' },
    },
    [
      { mountpoint: '/' },
      { mountpoint: '/run', device: '0:9' },
      { mountpoint: '/run/podfs/run-1/rw', device: '0:10' },
      { mountpoint: '/var/lib/podfs/disk', device: '8:2' },
      { mountpoint: '/vol/run', device: '0:9' },
    ],
  )
  const hidden = ['/run/podfs', '/var/lib/podfs']

  t.test('is taken from an overlay, and nothing of it is bound', async t => {
    const { absent, covered, files, fstabLines, directories } = plan(
      { hidden, mounts: [volume('/data', { recursive: true })] },
      host,
    )
    t.same(absent, hidden)
    t.same(
      files.filter(path => path.includes('podfs/layers')),
      ['/w/.podfs/layers/5/upper/podfs', '/w/.podfs/layers/3/upper/lib/podfs'],
    )
    t.match(
      directories.find(({ path }) => path.endsWith('upper/lib')),
      { mode: 0o711 },
    )
    t.notOk(fstabLines.some(line => /^\/(run|var\/lib)\/podfs/.test(line)))
    // A second place of the same file system comes with the host's directories and volumes.
    t.same(covered, ['/data/run/podfs', '/vol/run/podfs'])
  })

  t.test('is covered where the host’s own directory is', async t => {
    const { absent, covered } = plan({ hidden, hostRoot: true }, host)
    t.same(absent, [])
    t.same(covered.toSorted(), [...hidden, '/vol/run/podfs'])
    t.same(plan({ hidden: ['/home/me'] }).covered, ['/home/me'])
  })

  t.test('is nobody’s to mount, or to mount over', async t => {
    for (const [mount, message] of [
      [volume('/run/podfs/x'), /nothing can be mounted at \/run\/podfs\/x/],
      [
        volume('/x', { source: '/vol/run/podfs', recursive: true }),
        /mountPath \/x: \/vol\/run\/podfs is podfs's own/,
      ],
    ] as const)
      t.throws(() => plan({ hidden, mounts: [mount] }, host), { message })
    t.throws(() => plan({ hidden, workingDir: '/var/lib/podfs' }, host), {
      message: /workingDir/,
    })
  })
})

t.test('devices', async t => {
  const host = fakeHost(
    {
      '/dev/null': { kind: 'other' },
      '/dev/sda': { kind: 'other' },
      '/dev/fd': link('/proc/self/fd'),
      '/dev/ptmx': link('pts/ptmx'),
      '/dev/shm': { kind: 'directory' },
      '/dev/mqueue': { kind: 'directory' },
      '/dev/disk': { kind: 'directory' },
      '/home/disk': { kind: 'directory' },
      '/srv': { kind: 'directory' },
      '/home/safe': { kind: 'directory' },
    },
    [
      { mountpoint: '/', options: ['rw'] },
      { mountpoint: '/dev', options: ['rw', 'nosuid', 'noexec'] },
      { mountpoint: '/dev/shm', options: ['rw', 'nosuid', 'nodev'] },
      { mountpoint: '/home', options: ['rw', 'nosuid', 'relatime'] },
      { mountpoint: '/home/disk', options: ['ro', 'noexec'] },
      { mountpoint: '/home/safe', options: ['rw', 'nodev'] },
    ],
  )
  const lines = (privileged: boolean) =>
    plan({ privileged }, host).fstab.map(
      ({ source, target, options }) =>
        `${source} ${target.slice(2)} ${options.filter(option => !/^nofail$|^X-/.test(option)).join()}`,
    )

  t.test('the usual ones, and no mount lets others work', async t => {
    const unprivileged = lines(false)
    t.same(
      unprivileged.filter(line => line.includes('/dev')),
      [
        '/w/.podfs/layers/4/upper /dev bind,nosuid,nodev',
        '/dev/null /dev/null bind',
        '/shm /dev/shm bind,private',
        'podfs /dev/mqueue nosuid,nodev,noexec',
        'podfs /dev/pts newinstance,ptmxmode=0666,mode=0620,gid=5,nosuid,noexec',
      ],
    )
    t.same(
      unprivileged.filter(line => line.startsWith('/home')),
      [
        '/home /home bind,private,nosuid,relatime,nodev',
        '/home/disk /home/disk rbind,rprivate,ro,noexec,nodev',
        '/home/safe /home/safe rbind,rprivate',
      ],
    )
    t.ok(unprivileged.includes('/w/.podfs/host/srv /srv bind'))
    const { fstab, rootOptions, hostView, links } = plan({}, host)
    t.same(rootOptions, ['nodev'])
    t.ok(hostView?.options.includes('nodev'))
    t.ok(
      fstab
        .filter(({ type }) => type === 'overlay')
        .every(({ options }) => options.includes('nodev')),
    )
    t.match(
      links.find(({ path }) => path.endsWith('/fd')),
      { path: '/w/.podfs/layers/4/upper/fd', target: '/proc/self/fd' },
    )
  })

  t.test(
    'message queues and memory are those of the IPC namespace',
    async t => {
      const { sharedMemory: _, ...machines } = options
      const shared = planRoot(host, machines).fstab.filter(({ target }) =>
        /\/(shm|mqueue)$/.test(target),
      )
      t.match(shared, [{ source: '/dev/shm' }, { source: '/dev/mqueue' }])
    },
  )

  t.test('all of the host’s, for a privileged container', async t => {
    const privileged = lines(true)
    t.same(
      privileged.filter(line => /^\/(dev|home)/.test(line)),
      ['/dev /dev rbind,rprivate', '/home /home rbind,rprivate'],
    )
    t.same(
      privileged.filter(line => / \/dev\/(shm|mqueue|pts) /.test(line)),
      ['/shm /dev/shm bind,private', 'podfs /dev/mqueue nosuid,nodev,noexec'],
    )
    t.notOk(
      privileged.some(line => / \/(?!dev).*nodev/.test(line)),
      'devices work wherever they are',
    )
    t.equal(plan({ privileged: true }, host).hostView, undefined)
  })
})

t.test(
  'the root of the host as a volume, with what is mounted in it',
  async t => {
    const host = fakeHost({}, [
      { mountpoint: '/' },
      { mountpoint: '/home', device: '8:2' },
      { mountpoint: '/home/me', device: '8:3', type: 'fuse.podfs' },
      { mountpoint: '/run', device: '0:9' },
      { mountpoint: '/run/lock', device: '0:10' },
      { mountpoint: '/proc', device: '0:11', type: 'proc' },
    ])
    const mounts = [
      volume('/host', { source: '/', recursive: true, readOnly: true }),
    ]
    t.same(
      plan({ mounts }, host).fstabLines.filter(line => line.includes(' /host')),
      [
        '/ /host bind,private,ro',
        '/home /host/home rbind,rprivate',
        '/run /host/run bind,private',
        '/run/lock /host/run/lock rbind,rprivate',
        '/proc /host/proc rbind,rprivate',
      ],
    )
  },
)

t.test('every layer has directories of its own', async t => {
  const { fstab } = plan({ mounts: [volume('/home/me/new')] })
  const uppers = fstab
    .filter(({ type }) => type === 'overlay')
    .map(({ options }) => options[1])
  t.equal(new Set(uppers).size, uppers.length)
  t.equal(uppers.length, 5)
})

t.test('submounts of a system directory are bound back in, once', async t => {
  const host = fakeHost(
    {
      '/etc/resolv.conf': {},
      '/var/lib': { kind: 'directory' },
      '/var/lib/docker': { kind: 'directory' },
      '/var/lib/docker/overlay2': { kind: 'directory' },
      '/var/lib/docker2': { kind: 'directory' },
      '/var/podfs': { kind: 'directory' },
    },
    [
      { mountpoint: '/etc/resolv.conf' },
      { mountpoint: '/var/lib/docker' },
      { mountpoint: '/var/lib/docker/overlay2' },
      { mountpoint: '/var/lib/docker2' },
      { mountpoint: '/var/lib/docker' },
      { mountpoint: '/var/gone' },
      { mountpoint: '/var/podfs', type: 'fuse.podfs' },
      { mountpoint: '/variable' },
    ],
  )
  const back = plan({}, host).fstabLines.filter(line =>
    /^\/(etc|var)/.test(line),
  )
  t.same(back, [
    '/etc/resolv.conf /etc/resolv.conf rbind,rprivate',
    '/var/lib/docker /var/lib/docker bind,private',
    '/var/lib/docker/overlay2 /var/lib/docker/overlay2 rbind,rprivate',
    '/var/lib/docker2 /var/lib/docker2 rbind,rprivate',
  ])
})

const mountCases: {
  name: string
  mounts: ContainerMount[]
  /** The last lines of the fstab. */
  mounted: string[]
  /** Among what is made. */
  made?: string[]
  files?: string[]
  points?: string[]
}[] = [
  {
    name: 'a new directory at the top',
    mounts: [volume('/projected-volume', { readOnly: true })],
    mounted: ['/vol /projected-volume bind,ro,private'],
    made: ['/w/projected-volume'],
  },
  {
    name: 'a new directory below a new one',
    mounts: [volume('/a/b/c')],
    mounted: ['/vol /a/b/c bind,private'],
    made: ['/w/a', '/w/a/b', '/w/a/b/c'],
  },
  {
    name: 'an existing directory',
    mounts: [volume('/home/me/project', { recursive: true })],
    mounted: ['/vol /home/me/project rbind,rprivate'],
  },
  {
    name: 'a new directory in a layer',
    mounts: [volume('/etc/podinfo')],
    mounted: ['/vol /etc/podinfo bind,private'],
    made: ['/w/.podfs/layers/2/upper/podinfo'],
  },
  {
    name: 'a new directory through a symlink',
    mounts: [volume('/var/run/x/y')],
    mounted: ['/vol /run/x/y bind,private'],
    made: ['/w/.podfs/layers/5/upper/x', '/w/.podfs/layers/5/upper/x/y'],
  },
  {
    name: 'a file over an existing file',
    mounts: [volume('/etc/hosts', { source: '/vol/key' })],
    mounted: ['/vol/key /etc/hosts bind,private'],
  },
  {
    name: 'a new file',
    mounts: [volume('/usr/share/key', { source: '/vol/key' })],
    mounted: ['/vol/key /usr/share/key bind,private'],
    files: ['/w/.podfs/layers/1/upper/share/key'],
  },
  {
    name: 'volumes within volumes, whatever their order',
    mounts: [
      volume('/data/inner/deep', { source: '/home/me' }),
      volume('/data'),
      volume('/data/key', { source: '/home/me/notes' }),
    ],
    mounted: [
      '/vol /data bind,private',
      '/home/me/notes /data/key bind,private',
      '/home/me /data/inner/deep bind,private',
    ],
    points: ['/vol/inner/deep'],
  },
  {
    name: 'a path with dots and slashes',
    mounts: [volume('//data/../srv//./x/')],
    mounted: ['/vol /srv/x bind,private'],
  },
]
for (const { name, mounts, mounted, made, files, points } of mountCases)
  t.test(name, async t => {
    const planned = plan({ mounts })
    t.same(planned.fstabLines.slice(-mounted.length), mounted)
    for (const path of made ?? [])
      t.ok(planned.paths.includes(path), `${path} is made`)
    for (const path of files ?? []) t.ok(planned.files.includes(path), path)
    t.same(
      planned.volumePoints.map(({ path }) => path),
      points ?? [],
    )
  })

t.test(
  'a new directory in a host directory makes that one private, not its parents',
  async t => {
    const { fstabLines, directories } = plan({
      mounts: [volume('/home/me/new/deep')],
    })
    t.same(fstabLines.slice(-3), [
      'overlay /home/me',
      // So what is written in the project stays the host's.
      '/home/me/project /home/me/project rbind,rprivate',
      '/vol /home/me/new/deep bind,private',
    ])
    t.match(
      directories.find(({ path }) => path === '/w/.podfs/layers/6/upper'),
      { mode: 0o700, uid: 1000, gid: 1000 },
    )
  },
)

t.test(
  'a parent found to need a layer late does not cover an earlier one',
  async t => {
    const { fstabLines } = plan({
      mounts: [volume('/home/me/new'), volume('/home/you/new')],
    })
    t.same(
      fstabLines.filter(line => line.includes('/home')),
      [
        '/home /home rbind,rprivate',
        'overlay /home',
        '/home/me /home/me rbind,rprivate',
        'overlay /home/me',
        '/home/me/project /home/me/project rbind,rprivate',
        '/vol /home/me/new bind,private',
        '/vol /home/you/new bind,private',
      ].filter((_, index) => index !== 0),
    )
  },
)

t.test(
  'of two such parents the one within the other comes after it, and stays one layer',
  async t => {
    const host = fakeHost({
      '/srv': { kind: 'directory' },
      '/srv/a': { kind: 'directory' },
      '/srv/a/is': { kind: 'directory' },
      '/srv/a/is/there': { kind: 'directory' },
    })
    const { fstabLines, paths } = plan(
      {
        mounts: [
          volume('/srv/a/is/new'),
          volume('/srv/a/not/there'),
          volume('/srv/a/is/other'),
        ],
      },
      host,
    )
    t.same(
      fstabLines.filter(line => line.includes('/srv')),
      [
        '/srv /srv rbind,rprivate',
        'overlay /srv/a',
        '/srv/a/is /srv/a/is rbind,rprivate',
        'overlay /srv/a/is',
        '/srv/a/is/there /srv/a/is/there rbind,rprivate',
        '/vol /srv/a/is/new bind,private',
        '/vol /srv/a/not/there bind,private',
        '/vol /srv/a/is/other bind,private',
      ],
    )
    t.same(
      paths.filter(path => /\/(new|other|not|there)$/.test(path)),
      [
        '/w/.podfs/layers/6/upper/new',
        '/w/.podfs/layers/7/upper/not',
        '/w/.podfs/layers/7/upper/not/there',
        '/w/.podfs/layers/6/upper/other',
      ],
    )
  },
)

t.test('directories that are copied up keep mode and owner', async t => {
  const { directories } = plan({ mounts: [volume('/var/mail/new')] })
  t.match(
    directories.filter(({ path }) => path.endsWith('upper/mail')),
    [{ mode: 0o2775, uid: 0, gid: 8 }],
  )
})

t.test('what overlay options cannot say is a tmpfs with binds', async t => {
  const host = fakeHost({
    '/srv': { kind: 'directory' },
    '/srv/a,b': { kind: 'directory' },
    '/srv/a,b/file': {},
    '/srv/a,b/link': link('file'),
    '/srv/a,b/socket': socket,
  })
  const { fstabLines, links } = plan({ mounts: [volume('/srv/a,b/new')] }, host)
  t.same(fstabLines.slice(-4), [
    '/w/.podfs/layers/6/upper /srv/a,b bind',
    '/srv/a,b/file /srv/a,b/file rbind,rprivate',
    '/srv/a,b/socket /srv/a,b/socket rbind,rprivate',
    '/vol /srv/a,b/new bind,private',
  ])
  t.match(links.at(-1), {
    path: '/w/.podfs/layers/6/upper/link',
    target: 'file',
  })
})

t.test('what is shared of the host', async t => {
  const host = fakeHost({
    '/tmp': { kind: 'directory', mode: 0o1777 },
    '/tmp/app': { kind: 'directory', uid: 1000 },
    '/tmp/app/bin': { kind: 'directory' },
    '/tmp/app/bin/serve': {},
    '/tmp/run.sh': {},
    '/usr/share/data': { kind: 'directory' },
    '/tmp/link': link('/tmp/app'),
  })
  const shared = (more: Partial<RootPlanOptions>): string[] =>
    plan(more, host).fstabLines.filter(line =>
      /^\/(tmp|home|vol|run|usr)/.test(line),
    )
  t.test('a /tmp is always the container’s own', async t => {
    t.match(
      plan({}, host).directories.find(({ path }) => path === '/w/tmp'),
      { mode: 0o1777 },
    )
    t.notOk(shared({}).some(line => line.includes('/tmp')))
  })
  t.test('but what is run or worked with there is seen', async t => {
    const visible = [
      '/tmp/app/bin/serve',
      '/tmp/run.sh',
      '/tmp/none',
      '/tmp',
      '/home/me',
    ]
    const { directories, files } = plan({ visible }, host)
    t.same(
      shared({ visible }).filter(line => line.includes('/tmp')),
      [
        '/tmp/run.sh /tmp/run.sh rbind,rprivate',
        '/tmp/app/bin /tmp/app/bin rbind,rprivate',
      ],
    )
    t.match(
      directories.find(({ path }) => path === '/w/tmp/app'),
      { uid: 1000 },
    )
    t.ok(files.includes('/w/tmp/run.sh'))
    t.ok(
      shared({ visible: ['/tmp/link'] }).includes(
        '/tmp/app /tmp/app rbind,rprivate',
      ),
    )
  })
  t.test('only some directories', async t => {
    const hostDirectories = ['/home/me/project', '/usr/share/data', '/away']
    t.same(shared({ hostDirectories }), [
      '/home/me/project /home/me/project rbind,rprivate',
      '/usr/share/data /usr/share/data rbind,rprivate',
    ])
    const { directories } = plan({ hostDirectories }, host)
    t.match(
      directories.find(({ path }) => path === '/w/home/me'),
      { mode: 0o700, uid: 1000 },
    )
    t.ok(directories.some(({ path }) => path === '/w/run'))
  })
  t.test('/tmp, too', async t => {
    const hostDirectories = ['/*', '/tmp']
    t.ok(shared({ hostDirectories }).includes('/tmp /tmp rbind,rprivate'))
    t.ok(shared({ hostRoot: true }).includes('/tmp /tmp rbind,rprivate'))
  })
})

t.test('a read-only root', async t => {
  const host = fakeHost({ '/sys': { kind: 'directory' } }, [
    { mountpoint: '/' },
    { mountpoint: '/home', device: '8:2', options: ['rw', 'nosuid', 'nodev'] },
    { mountpoint: '/home/me', device: '8:3', options: ['rw', 'nodev'] },
  ])
  const mounts = [volume('/etc'), volume('/home/me/new'), volume('/data')]
  const { readOnly, fstab } = plan({ readOnly: true, mounts }, host)
  t.same(
    readOnly.map(({ path }) => path),
    ['/usr', '/var', '/run', '/home/me', '/'],
  )
  const writable = fstab
    .filter(({ type, options }) => type === 'none' && !options.includes('ro'))
    .map(({ target }) => target.slice(2))
  t.same(writable, [
    '/proc',
    '/dev',
    '/dev/shm',
    '/etc',
    '/data',
    '/home/me/new',
  ])
  t.match(
    fstab.find(({ target }) => target === '/w/home'),
    {
      options: [
        'bind',
        'private',
        'nofail',
        'X-mount.mkdir',
        'nosuid',
        'nodev',
        'ro',
      ],
    },
  )
  t.same(plan({ mounts }, host).readOnly, [])
})

t.test('in a user namespace', async t => {
  const directory = { kind: 'directory' } as const
  const host = fakeHost(
    {
      '/etc': { ...directory, uid: 65_534, gid: 65_534 },
      '/skeleton/etc': directory,
      '/skeleton/usr': directory,
      '/skeleton/var/log': directory,
      '/var/lib': directory,
      '/var/log': directory,
      '/var/lib/docker': directory,
      '/sys': directory,
      '/sys/fs/cgroup': directory,
    },
    [
      { mountpoint: '/' },
      { mountpoint: '/sys', type: 'sysfs', options: ['rw', 'noexec'] },
      {
        mountpoint: '/sys/fs/cgroup',
        type: 'cgroup2',
        options: ['rw', 'nosuid'],
      },
      { mountpoint: '/etc/hosts', device: '8:2' },
      {
        mountpoint: '/var/lib/docker',
        device: '8:3',
        options: ['rw', 'nodev'],
      },
      { mountpoint: '/home/me', device: '8:4', options: ['rw', 'nodev'] },
    ],
  )
  const nested = { skeleton: '/skeleton', hasTerminalGroup: false }
  const made = plan({ nested, sharedMemory: '/shm' }, host)
  const mountOf = (target: string) =>
    made.fstab.find(mount => mount.target === `/w${target}`)
  const lowers = (target: string) =>
    mountOf(target)?.options.find(option => option.startsWith('lowerdir='))
  // Nothing that is locked is left out, and what cannot be an overlay has them below it.
  t.equal(lowers('/etc'), 'lowerdir=/skeleton/etc', 'mounts in it do no harm')
  t.equal(lowers('/usr'), 'lowerdir=/skeleton/usr:/usr')
  t.same(mountOf('/var')?.options, ['bind'])
  t.equal(lowers('/var/log'), 'lowerdir=/skeleton/var/log:/var/log')
  t.same(mountOf('/var/lib')?.options, ['bind'])
  t.ok(mountOf('/var/lib/docker')?.options.includes('rbind'))
  t.ok(mountOf('/etc')?.options.includes('userxattr'))
  t.same(mountOf('/proc')?.options, ['rbind', 'rprivate'])
  t.match(mountOf('/sys')?.options, ['rbind', 'rprivate'])
  t.ok(['ro', 'noexec'].every(flag => mountOf('/sys')?.options.includes(flag)))
  t.notOk(mountOf('/dev/pts')?.options.some(option => option.startsWith('gid')))
  t.notOk(
    made.fstab.some(
      ({ options }) => options.includes('nodev') && options.includes('bind'),
    ),
  )
  t.notOk(made.directories.some(({ uid }) => uid === 65_534))
  t.equal(made.fuseOverlay, undefined)
  t.equal(made.hostView, undefined)
  t.ok(made.nested)
  const cgroups = { path: '/sys/fs/cgroup', options: ['nosuid'] }
  t.same(made.readOnly.at(-1), cgroups, 'one may be delegated to the user')
  t.notMatch(plan({ nested, privileged: true }, host).readOnly, [cgroups])
  // A bind becomes read-only only with the flags that its source has.
  const source = '/home/me/project'
  const optionsOf = (more: Partial<ContainerMount>) =>
    plan({ nested, mounts: [volume('/data', { source, ...more })] }, host)
      .fstab.find(({ target }) => target === '/w/data')
      ?.options.join()
  t.equal(optionsOf({ readOnly: true }), 'bind,ro,nodev,private')
  t.equal(optionsOf({}), 'bind,private')
  // A mount that has come along is made read-only by itself, with the flags it has.
  t.same(plan({ nested, readOnly: true }, host).readOnly.slice(-2), [
    { path: '/home/me', options: ['nodev'] },
    cgroups,
  ])
})

t.test('the kernel’s file systems', async t => {
  const host = fakeHost(
    {
      '/sys': { kind: 'directory' },
      '/sys/firmware': { kind: 'directory' },
      '/sys/devices/system/cpu': { kind: 'directory' },
      '/sys/devices/system/cpu/cpu0': { kind: 'directory' },
      '/sys/devices/system/cpu/cpufreq': { kind: 'directory' },
      '/sys/devices/system/cpu/cpu0/thermal_throttle': { kind: 'directory' },
      '/sys/fs/cgroup': { kind: 'directory' },
      '/proc/acpi': { kind: 'directory' },
      '/proc/kcore': {},
      '/proc/sys': { kind: 'directory' },
    },
    [
      { mountpoint: '/' },
      { mountpoint: '/sys', type: 'sysfs' },
      {
        mountpoint: '/sys/fs/cgroup',
        type: 'cgroup2',
        options: ['rw', 'nosuid'],
      },
    ],
  )
  const sys = (more: Partial<RootPlanOptions>): string[] =>
    plan(more, host).fstabLines.filter(line => line.includes(' /sys'))
  const own = [
    'sysfs /sys ro,nosuid,noexec',
    'tmpfs /sys/firmware ro,nosuid,noexec,mode=0755,size=4k',
    'tmpfs /sys/devices/system/cpu/cpu0/thermal_throttle ro,nosuid,noexec,mode=0755,size=4k',
    '/sys/fs/cgroup /sys/fs/cgroup rbind,rprivate,nosuid,ro',
  ]
  t.same(sys({}), own)
  t.same(sys({ unmasked: true }), [own[0], own[3]])
  t.same(sys({ privileged: true }), ['/sys /sys rbind,rprivate'])
  t.same(sys({ privileged: true, ownNetwork: true }), [
    'sysfs /sys nosuid,noexec',
    '/sys/fs/cgroup /sys/fs/cgroup rbind,rprivate',
  ])
  t.same(
    procMasks(host).map(({ source, target, options }) =>
      [source, target, ...options].join(' '),
    ),
    [
      'podfs /proc/acpi ro nosuid nodev noexec mode=0755 size=4k',
      '/dev/null /proc/kcore bind',
      '/proc/sys /proc/sys bind ro nosuid nodev noexec',
    ],
  )
})

t.test('hostRoot: no overlay anywhere', async t => {
  const { fstab, fstabLines } = plan(
    {
      hostRoot: true,
      mounts: [volume('/etc/podinfo')],
      hostnameFile: '/h',
    },
    fakeHost({ '/h': {}, '/etc/hostname': undefined }),
  )
  t.notOk(fstab.some(({ type }) => type === 'overlay'))
  t.ok(fstabLines.includes('/usr /usr rbind,rprivate'))
  t.ok(fstabLines.includes('/run /run rbind,rprivate'))
  t.equal(fstabLines.at(-1), '/vol /etc/podinfo bind,private')
})

t.test('the hosts file gives way to a volume', async t => {
  const host = fakeHost({ '/h': {} })
  const last = (mounts: ContainerMount[]) =>
    plan(
      { mounts, hostsFile: '/h', hostnameFile: '/h' },
      host,
    ).fstabLines.slice(-2)
  t.same(last([]), [
    '/h /etc/hosts bind,private',
    '/h /etc/hostname bind,private',
  ])
  t.same(last([volume('/etc/hosts', { source: '/vol/key' })]), [
    '/h /etc/hostname bind,private',
    '/vol/key /etc/hosts bind,private',
  ])
  t.equal(last([volume('/etc')]).at(-1), '/vol /etc bind,private')
  t.same(last([volume('/etc/host'), volume('/et')]).slice(-1), [
    '/vol /etc/host bind,private',
  ])
  t.ok(
    plan(
      { mounts: [volume('/etc/host'), volume('/et')], hostsFile: '/h' },
      host,
    ).fstabLines.includes('/h /etc/hosts bind,private'),
    'not to one whose path its own begins with',
  )
})

t.test(
  'volumes that can be mounted anew, and what lies within them',
  async t => {
    const locate = async () => '/vol'
    const { livePlaces, fstabLines } = plan({
      liveDirectory: '/live',
      mounts: [
        volume('/data/inner', { source: '/home/me' }),
        volume('/data', { locate }),
        volume('/data2', { source: '/home/me' }),
        volume('/data3', { locate }),
      ],
    })
    t.match(livePlaces, [
      {
        place: '/live/0',
        kind: 'directory',
        mounts: [
          { source: '/vol', target: '/live/0', locate },
          { source: '/home/me', target: '/live/0/inner' },
        ],
      },
      {
        place: '/live/1',
        mounts: [{ source: '/vol', target: '/live/1', locate }],
      },
    ])
    t.same(fstabLines.slice(-3), [
      '/live/0 /data bind',
      '/home/me /data2 bind,private',
      '/live/1 /data3 bind',
    ])
  },
)

t.test('busybox: its applets, and its shell', async t => {
  const { links, fstabLines } = plan({
    busybox: { program: '/usr/bin/busybox', applets: '/vol' },
  })
  t.equal(fstabLines.at(-1), '/vol /usr/lib/podfs/applets bind,ro,private')
  t.match(links.at(-1), {
    path: '/w/.podfs/layers/1/upper/bin/sh',
    target: '/usr/bin/busybox',
  })
})

t.test('the working directory is made when it is not there', async t => {
  t.ok(plan({ workingDir: '/app/src' }).paths.includes('/w/app/src'))
  t.equal(
    plan({ workingDir: '/home/me/project' }).paths.length,
    plan().paths.length,
  )
})

const failures: { options: Partial<RootPlanOptions>; message: string }[] = [
  {
    options: { mounts: [volume('/x', { source: '/none' })] },
    message: 'mountPath /x: /none does not exist',
  },
  {
    options: { mounts: [volume('/etc/hosts')] },
    message:
      'mountPath /etc/hosts: is a file in the container, but the volume has a directory',
  },
  {
    options: { mounts: [volume('/home', { source: '/vol/key' })] },
    message:
      'mountPath /home: is a directory in the container, but the volume has a file',
  },
  {
    options: { mounts: [volume('/usr/..')] },
    message: 'mountPath /usr/..: nothing can be mounted at /',
  },
  {
    options: { mounts: [volume('/proc/1')] },
    message: 'mountPath /proc/1: nothing can be mounted at /proc/1',
  },
  {
    options: { mounts: [volume('/etc/hosts/x')] },
    message: '/etc/hosts: not a directory',
  },
  {
    options: { workingDir: '/etc/hosts' },
    message: 'workingDir /etc/hosts: not a directory',
  },
]
for (const { options, message } of failures)
  t.test(message, async t => {
    t.throws(() => plan(options), { message })
  })

t.test('through fuse-overlayfs', async t => {
  const directory = { kind: 'directory' } as const
  const host = fakeHost(
    {
      '/usr/lib': directory,
      '/usr/local': directory,
      '/usr/local/data': directory,
      '/usr/share/app': directory,
      '/usr/share/app/page': { kind: 'file' },
      '/var/lib': directory,
      '/usr/src': directory,
      '/usr/src/podfs': directory,
      '/opt': directory,
      '/opt/volume': directory,
    },
    [
      { mountpoint: '/' },
      { mountpoint: '/var/lib', device: '8:3' },
      { mountpoint: '/opt/volume', type: 'fuse.podfs' },
    ],
  )
  const nested = { hasTerminalGroup: true, hasFuseOverlay: true }
  const volume = (mountPath: string) => ({
    source: '/vol',
    mountPath,
    readOnly: true,
    recursive: false,
  })
  const made = plan(
    {
      nested,
      hidden: ['/usr/src/podfs'],
      mounts: [volume('/usr/share/app/new/volume'), volume('/usr/lib/new')],
    },
    host,
  )
  const sourceOf = (target: string) =>
    made.fstab.find(mount => mount.target === `/w${target}`)?.source
  const files = '/w/.podfs/files'
  t.match(made.fuseOverlay, { target: files, type: /^fuse\./ })
  t.equal(sourceOf('/usr/share'), `${files}/usr/share`)
  t.equal(sourceOf('/usr/local'), `${files}/usr/local`)
  t.equal(sourceOf('/var'), `${files}/var`)
  t.equal(sourceOf('/var/lib'), '/var/lib', 'what is mounted is the host’s')
  // Programs start from the kernel's overlay.
  t.equal(sourceOf('/usr'), 'podfs')
  t.equal(sourceOf('/usr/bin'), undefined)
  t.equal(sourceOf('/usr/lib'), undefined)
  // Among the files that are there; no parent is made once more.
  t.same(
    made.paths.filter(path => path.startsWith(files)),
    [`${files}/usr/share/app/new`, `${files}/usr/share/app/new/volume`],
  )
  // It would show what no container has.
  t.equal(sourceOf('/usr/src'), undefined)
  t.same(made.absent, ['/usr/src/podfs'])
  t.not(sourceOf('/opt'), `${files}/opt`)
  t.equal(
    plan({ nested: { hasTerminalGroup: true } }, host).fuseOverlay,
    undefined,
  )
})
