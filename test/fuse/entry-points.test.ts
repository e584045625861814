import { join } from 'node:path'
import t from 'tap'
import { entryPoints } from '../../src/fuse/mount/entry-points.ts'

t.test(
  'finds the built files beside the bundle, or above a source',
  async t => {
    const root = t.testdir({
      dist: { 'fuse-server.cjs': '', 'keeper.sh': '', 'podfs.cjs': '' },
      bin: t.fixture('symlink', 'dist'),
      test: { fuse: { 'x.test.ts': '' } },
    })
    const expected = {
      server: join(root, 'dist/fuse-server.cjs'),
      keeper: join(root, 'dist/keeper.sh'),
    }
    t.strictSame(entryPoints(join(root, 'dist/podfs.cjs')), expected)
    t.strictSame(entryPoints(join(root, 'bin/podfs.cjs')), expected)
    t.strictSame(entryPoints(join(root, 'test/fuse/x.test.ts')), expected)
  },
)

t.test('says what is missing', async t => {
  t.throws(() => entryPoints('/proc/self/stat'), /npm run build/)
})
