import t from 'tap'
import { mappingFor } from '../../src/session/own-namespace.ts'

const account = {
  uid: 1001,
  gid: 100,
  name: 'una',
  subuid: 'root:1:2\nuna:100000:65536\n1001:300000:10\n',
  subgid: 'una:200000:65536\n',
  canMap: true,
}

t.test('root is the user, and the ranges follow one another', async t => {
  t.strictSame(mappingFor(account), {
    uids: [0, 1001, 1, 1, 100_000, 65_536, 65_537, 300_000, 10],
    gids: [0, 100, 1, 1, 200_000, 65_536],
  })
})

t.test('one id, and the way to more', async t => {
  const lackOf = (more: Partial<typeof account>) =>
    mappingFor({ ...account, ...more }).lack
  t.match(lackOf({ canMap: false })?.fix, /apt-get install uidmap/)
  t.equal(
    lackOf({ subuid: 'una:0:5\nuna:5:0\nunas:7:7\nuna\n' })?.why,
    'una has no range in /etc/subuid',
  )
  t.match(lackOf({ subuid: '', subgid: '' }), {
    why: 'una has no range in /etc/subuid and /etc/subgid',
    fix: /--add-subuids 100000-165535 --add-subgids 100000-165535 una$/,
  })
})
