import t from 'tap'
import { buildSync } from 'esbuild'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { makeTemporaryDirectory } from '../helpers/fuse-mount.ts'
import { startPodfs } from '../helpers/podfs.ts'
import '../helpers/needs-mounts.ts'

const configMap = (data: string) => `apiVersion: v1
kind: ConfigMap
metadata: {name: config}
data: ${data}
`

t.test('a watcher inside a container sees the events of a write', async t => {
  const dir = makeTemporaryDirectory(t)
  const printer = path.resolve('dist/inotify-printer.cjs')
  const save = async (data: string): Promise<void> => {
    const file = path.join(dir, 'manifests/config.yaml')
    await writeFile(`${dir}/new`, configMap(data))
    await rename(`${dir}/new`, file)
  }
  await mkdir(path.join(dir, 'manifests'))
  await save('{a: "1", b: "1"}')
  await writeFile(
    path.join(dir, 'manifests/pod.yaml'),
    `apiVersion: v1
kind: Pod
metadata: {name: watcher}
spec:
  containers:
  - name: w
    image: node
    command: ['${process.execPath}', '${printer}', /etc/watched]
    volumeMounts: [{name: v, mountPath: /etc/watched}]
  volumes:
  - {name: v, configMap: {name: config}}
`,
  )
  buildSync({
    entryPoints: ['test/helpers/inotify-printer.ts'],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    external: ['koffi'],
    outfile: printer,
  })
  const run = startPodfs(t, ['run', '-f', path.join(dir, 'manifests')])
  await run.saw(/^w \| watching$/m)
  /** What has been printed since the last look, once it ends with `last`. */
  let from = run.stdout().length
  const printed = async (last: string): Promise<string[]> => {
    await run.saw(new RegExp(`^[^]{${from}}[^]*w \\| ${last}\n`))
    const lines = run.stdout().slice(from).trimEnd().split('\n')
    from = run.stdout().length
    return lines.map(line => line.replace('w | ', ''))
  }
  const swap = (n: number) => [
    `CREATE,ISDIR ..ts${n}`,
    `ATTRIB,ISDIR ..ts${n}`,
    'CREATE ..data_tmp',
    'MOVED_FROM ..data_tmp',
    'MOVED_TO ..data',
  ]
  // The first generation's name is not known to the watcher: it is the second it sees.
  await save('{a: "2", b: "1"}')
  t.strictSame(await printed('DELETE,ISDIR ..ts2'), [
    ...swap(1),
    'DELETE,ISDIR ..ts2',
  ])
  await save('{a: "2", b: "1", c: "1"}')
  t.strictSame(await printed('DELETE,ISDIR ..ts1'), [
    ...swap(3),
    'CREATE c',
    'DELETE,ISDIR ..ts1',
  ])
  await save('{a: "2", c: "1"}')
  t.strictSame(await printed('DELETE,ISDIR ..ts3'), [
    ...swap(4),
    'DELETE b',
    'DELETE,ISDIR ..ts3',
  ])
  // A save that changes nothing, and then one that does: nothing in between.
  await save('{c: "1", a: "2"}')
  await save('{c: "2", a: "2"}')
  t.strictSame(await printed('DELETE,ISDIR ..ts4'), [
    ...swap(5),
    'DELETE,ISDIR ..ts4',
  ])
  run.child.kill('SIGTERM')
  t.equal((await run.ended).code, 143)
})
