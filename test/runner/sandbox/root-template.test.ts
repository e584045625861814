import { execFileSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { RootTemplates } from '../../../src/runner/sandbox/root-template.ts'

const tree = {
  directories: [
    { path: '/w/a/b' },
    { path: '/w/tmp', mode: 0o1777 },
    { path: '/w/.podfs/layers/1/upper', mode: 0o2775 },
    { path: "/w/it's", mode: 0o700 },
  ],
  files: ['/w/a/f', "/w/it's/new\nline"],
  links: [
    { path: '/w/bin', target: 'usr/bin' },
    { path: '/w/a/x', target: '/y' },
  ],
}

t.test('what a copy of a template has', async t => {
  const directory = t.testdir()
  const [world, templates] = [join(directory, 'w'), join(directory, 't')]
  mkdirSync(join(world, '.podfs/layers'), { recursive: true })
  await new RootTemplates(templates).use(tree, '/w', async template => {
    // As the setup script does.
    execFileSync('cp', ['-RPp', '--', `${template}/.`, `${world}/`])
  })
  const mode = (path: string): number =>
    lstatSync(join(world, path)).mode & 0o7777
  t.equal(mode('.'), 0o755)
  t.equal(mode('a/b'), 0o755)
  t.equal(mode('tmp'), 0o1777)
  t.equal(mode('.podfs/layers'), 0o700)
  t.equal(mode('.podfs/layers/1/upper'), 0o2775)
  t.equal(mode("it's"), 0o700)
  t.equal(mode('a/f'), 0o644)
  t.ok(lstatSync(join(world, '.podfs/old')).isDirectory())
  t.ok(lstatSync(join(world, "it's/new\nline")).isFile())
  t.equal(readlinkSync(join(world, 'bin')), 'usr/bin')
  t.equal(readlinkSync(join(world, 'a/x')), '/y')
})

t.test('equal ones are one, and old ones go', async t => {
  const directory = t.testdir()
  const templates = new RootTemplates(directory)
  const used: string[] = []
  const use = (plan: typeof tree, work = async (): Promise<void> => {}) =>
    templates.use(plan, '/w', async template => {
      used.push(template)
      t.ok(existsSync(template))
      await work()
    })
  await use(tree)
  const other = { ...tree, files: [] }
  await use({ ...tree }, async () => {
    await use(other)
    t.ok(existsSync(used[1] ?? ''), 'it is in use')
  })
  await use(other)
  t.equal(used[0], used[1])
  t.equal(used[2], used[3])
  while (readdirSync(directory).length > 1)
    await new Promise(resolve => setImmediate(resolve))
  t.same(readdirSync(directory), ['2'])
})
