import t from 'tap'
import { podfsAsRoot, remedyAt, type Place } from '../../src/cli/remedy.ts'

const debian: Place = {
  isRoot: false,
  elevate: 'sudo',
  podfsAsRoot: 'podfs',
  osRelease: 'PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\n',
}

t.test('who makes root', async t => {
  const cases: readonly [string, Partial<Place>, string][] = [
    ['sudo podfs run ...', {}, 'sudo podfs run ...'],
    ['sudo podfs run ...', { elevate: 'doas' }, 'doas podfs run ...'],
    ['sudo podfs run ...', { elevate: undefined }, 'as root: podfs run ...'],
    [
      'sudo podfs run ...',
      { podfsAsRoot: 'npx podfs' },
      'sudo npx podfs run ...',
    ],
    ['sudo sysctl a.b=1', { isRoot: true }, 'sysctl a.b=1'],
    ['sudo sysctl a.b=1', { elevate: undefined }, 'as root: sysctl a.b=1'],
    // No other word of a remedy is one of these.
    ['podfs get pods -A', { podfsAsRoot: 'npx podfs' }, 'podfs get pods -A'],
    ['--image sudo=sudo podfs', { isRoot: true }, '--image sudo=sudo podfs'],
  ]
  for (const [fix, place, expected] of cases)
    t.equal(remedyAt(fix, { ...debian, ...place }), expected)
})

t.test('packages, by distribution', async t => {
  const tools = 'apt-get install util-linux mount coreutils'
  const library =
    'apt-get install libfuse2 (in newer releases libfuse2t64); or --backend dir'
  const cases: readonly [string, string, string][] = [
    ['ID=debian', tools, library],
    ['ID=ubuntu\nID_LIKE=debian', tools, library],
    ['ID=linuxmint\nID_LIKE="ubuntu debian"', tools, library],
    [
      'NAME="Fedora Linux"\nID=fedora',
      'dnf install util-linux coreutils',
      'dnf install fuse-libs; or --backend dir',
    ],
    [
      'ID="rocky"\nID_LIKE="rhel centos fedora"',
      'dnf install util-linux coreutils',
      'dnf install fuse-libs; or --backend dir',
    ],
    [
      'ID=arch',
      'pacman -S util-linux coreutils',
      'pacman -S fuse2; or --backend dir',
    ],
    [
      'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"',
      'zypper install util-linux coreutils',
      'zypper install libfuse2; or --backend dir',
    ],
    [
      'ID=alpine',
      'apk add util-linux coreutils',
      'apk add fuse; or --backend dir',
    ],
    [
      '',
      "install util-linux, coreutils (Debian's names of the packages)",
      "install libfuse2 (Debian's names of the packages); or --backend dir",
    ],
  ]
  for (const [osRelease, forTools, forLibrary] of cases) {
    const place = { ...debian, osRelease }
    t.equal(remedyAt(tools, place), forTools, osRelease)
    t.equal(remedyAt(library, place), forLibrary, osRelease)
    t.equal(
      remedyAt(
        'on linux-x64: apt-get install libfuse2, then npm install fuse-native@2.2.6',
        place,
      ),
      `on linux-x64: ${forLibrary.replace(/( \(in newer.*\))?; or.*/, '')}, then npm install fuse-native@2.2.6`,
      osRelease,
    )
  }
})

t.test('what root types for podfs', async t => {
  const everywhere = ['/usr/bin/node', '/usr/bin/npx']
  const clone = {
    node: '/usr/bin/node',
    program: '/home/u/.npm/_npx/ab/node_modules/.bin/podfs',
    script: '/home/u/podfs/dist/podfs.cjs',
    byNpx: true,
    there: [...everywhere, '/home/u/.npm/_npx/ab/node_modules/.bin/podfs'],
  }
  const nvm = '/home/u/.nvm/versions/node/v24/bin'
  const cases: Readonly<
    Record<string, readonly [Partial<typeof clone>, string]>
  > = {
    'npx in a clone': [{}, 'npx podfs'],
    'npx in a clone, without npx for root': [
      { there: ['/usr/bin/node'] },
      'node /home/u/podfs/dist/podfs.cjs',
    ],
    'npx with a node that root does not find': [
      { node: `${nvm}/node`, there: [] },
      `${nvm}/node /home/u/podfs/dist/podfs.cjs`,
    ],
    'the program of a clone': [
      {
        program: '/home/u/podfs/dist/podfs.cjs',
        byNpx: false,
        there: [...everywhere, '/home/u/podfs/dist/podfs.cjs'],
      },
      '/home/u/podfs/dist/podfs.cjs',
    ],
    'in a directory with a blank': [
      {
        script: '/home/u/my pods/dist/podfs.cjs',
        there: ['/usr/bin/node'],
      },
      "node '/home/u/my pods/dist/podfs.cjs'",
    ],
    'npm install -g with the node of the distribution': [
      {
        program: '/usr/bin/podfs',
        script: '/usr/lib/node_modules/podfs/dist/podfs.cjs',
        byNpx: false,
        there: [...everywhere, '/usr/bin/podfs'],
      },
      'podfs',
    ],
    'npm install -g with another node': [
      {
        node: `${nvm}/node`,
        program: `${nvm}/podfs`,
        script: '/home/u/.nvm/lib/node_modules/podfs/dist/podfs.cjs',
        byNpx: false,
        there: [`${nvm}/podfs`],
      },
      `${nvm}/node /home/u/.nvm/lib/node_modules/podfs/dist/podfs.cjs`,
    ],
    'npm run install:system': [
      {
        node: '/opt/node/bin/node',
        program: '/usr/local/lib/podfs/podfs.cjs',
        script: '/usr/local/lib/podfs/podfs.cjs',
        byNpx: false,
        there: ['/usr/local/bin/podfs'],
      },
      '/usr/local/bin/podfs',
    ],
    'the same with PREFIX=/usr': [
      {
        program: '/usr/lib/podfs/podfs.cjs',
        script: '/usr/lib/podfs/podfs.cjs',
        byNpx: false,
        there: ['/usr/bin/podfs'],
      },
      'podfs',
    ],
  }
  for (const [title, [start, expected]] of Object.entries(cases)) {
    const { there, ...how } = { ...clone, ...start }
    t.equal(
      podfsAsRoot({ ...how, isExecutable: file => there.includes(file) }),
      expected,
      title,
    )
  }
})
