import t from 'tap'
import { formatFstab } from '../../../src/runner/sandbox/fstab.ts'
import {
  mountedFuseOverlay,
  optionsFor,
} from '../../../src/runner/sandbox/fuse-overlay.ts'
import { setupScript } from '../../../src/runner/sandbox/setup-script.ts'

const plan = {
  directories: [],
  files: [],
  links: [],
  fstab: [],
  volumePoints: [],
  mountPaths: [],
  rootOptions: [],
  nested: false,
  absent: [],
  covered: [],
  readOnly: [],
  livePlaces: [],
}
const options = {
  plan,
  world: '/w',
  template: "/it's/1",
  fstabFile: '/fstab',
  fifos: ['/1', '/2'],
  locked: false,
  rootName: 'podfs',
}

t.test('makes what a root has with one process', async t => {
  const lines = setupScript(options).split('\n')
  for (const line of [
    "mount -n -a -T '/fstab-roots'",
    String.raw`cp -RPp -- '/it'\''s/1/.' '/w/'`,
  ])
    t.ok(lines.includes(line), line)
})

t.test('covers only after the foreign mounts are gone', async t => {
  const plan = { ...options.plan, covered: ['/home/state'] }
  const script = setupScript({ ...options, plan })
  t.ok(script.indexOf('while') < script.indexOf("'/home/state'"))
})

t.test('in a user namespace, podfs’s own mounts go by one process', async t => {
  const plan = { ...options.plan, nested: true, covered: ["/it's", '/state'] }
  const script = setupScript({ ...options, plan })
  const [all, each] = ['umount -n -c -l -- "$@"', 'umount -n -c -l -- "$point"']
  t.ok(script.includes(String.raw`in '/it'\''s'/*|'/state'/*) ;; *) others=1`))
  t.ok(script.indexOf(all) > 0)
  t.ok(script.indexOf(all) < script.indexOf(each), 'but for locked ones')
})

t.test('fstab fields hold no white space', async t => {
  const text = formatFstab([
    {
      source: '#a b',
      target: '/t\tu\\v\nw',
      type: 'none',
      options: ['bind', 'ro'],
    },
  ])
  t.equal(
    text,
    String.raw`\043a\040b /t\011u\134v\012w none bind,ro 0 0` + '\n',
  )
})

t.test('fuse-overlayfs is to begin when it is mounted', async t => {
  const fuseOverlay = mountedFuseOverlay('/w')
  const plan = { ...options.plan, nested: true, fuseOverlay }
  const lines = setupScript({ ...options, plan }).split('\n')
  const at = lines.indexOf("mount -n -i -a -T '/fstab-roots'")
  t.same(lines.slice(at + 1, at + 3), ['exec 3<&-', 'echo mounted'])
})

t.test('what fuse-overlayfs is told of ids', async t => {
  const range = (count: number) => [{ inside: 0, outside: 1000, count }]
  const of = (uids: number, gids: number): string =>
    optionsFor({ uids: range(uids), gids: range(gids) }, '/d')
  t.equal(
    of(1, 1),
    'lowerdir=/,upperdir=/d/upper,workdir=/d/work,squash_to_root,noacl',
  )
  t.match(of(65_537, 1), 'squash_to_root')
  t.match(of(65_537, 65_537), /,uidmapping=65534:0:1:.*:0:0:65534,gidmapping=/)
})
