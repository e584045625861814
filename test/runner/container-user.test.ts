import t from 'tap'

import { homeOf } from '../../src/runner/launch/accounts.ts'
import { containerUser } from '../../src/runner/launch/container-user.ts'
import { makeContainer, makePod } from '../helpers/make-objects.ts'

const accounts = {
  passwd: 'root:x:0:0:root:/root:/bin/sh\nweb:x:33:44:web:/var/www:/bin/sh\n',
  group: 'root:x:0:\nstaff:x:50:web,mail\nwebs:x:51:webs\n',
}

const cases = [
  ['nobody says anything', {}, {}, undefined, undefined],
  ['the Pod', { runAsUser: 1, runAsGroup: 2 }, {}, undefined, [1, 2]],
  [
    'the container over the Pod',
    { runAsUser: 1, runAsGroup: 2 },
    { runAsUser: 3 },
    undefined,
    [3, 2],
  ],
  ['runAsUser without a group', {}, { runAsUser: 3 }, undefined, [3, 0]],
  ['the image by number', {}, {}, '5:6', [5, 6]],
  ['the image by name', {}, {}, 'web', [33, 44, 50]],
  ['the image by names', {}, {}, 'web:staff', [33, 50, 50]],
  [
    'C328: with the groups of its accounts',
    { supplementalGroups: [1234, 50] },
    { runAsUser: 33 },
    undefined,
    [33, 0, 1234, 50],
  ],
  [
    'and without them',
    { supplementalGroups: [1234], supplementalGroupsPolicy: 'Strict' },
    { runAsUser: 33 },
    undefined,
    [33, 0, 1234],
  ],
  [
    'no groups at all',
    { supplementalGroupsPolicy: 'Strict' },
    {},
    undefined,
    [0, 0],
  ],
  [
    'another user leaves the group of the image',
    {},
    { runAsUser: 3 },
    'web',
    [3, 0],
  ],
  ['only a group, and no image', {}, { runAsGroup: 7 }, undefined, [0, 7]],
  ['fsGroup alone', { fsGroup: 9 }, {}, undefined, [0, 0, 9]],
  ['only a group', {}, { runAsGroup: 7 }, 'web', [33, 7, 50]],
  [
    'groups, each once',
    { fsGroup: 9, supplementalGroups: [8, 9] },
    {},
    undefined,
    [0, 0, 8, 9],
  ],
] as const

for (const [name, podContext, securityContext, image, expected] of cases) {
  t.test(name, async t => {
    const pod = makePod({ spec: { securityContext: podContext } })
    const container = makeContainer({ securityContext })
    const user = containerUser(pod, container, image, accounts)
    const flat = user && [user.uid, user.gid, ...user.supplementalGroups]
    t.same(flat, expected)
  })
}

t.test('runAsNonRoot', async t => {
  const of = '(pod: "pod_default(pod-uid)", container: main)'
  const root = `container has runAsNonRoot and image will run as root ${of}`
  const said = `container's runAsUser breaks non-root policy ${of}`
  const unknown = `container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root ${of}`
  const nonRoot = { runAsNonRoot: true }
  const refused = [
    [nonRoot, { runAsUser: 0 }, '5', said],
    [{ runAsUser: 0 }, nonRoot, '5', said],
    [nonRoot, {}, undefined, root],
    [{}, nonRoot, '0:5', root],
    [nonRoot, {}, 'web:5', unknown],
  ] as const
  const taken = [
    [nonRoot, { runAsUser: 5 }, undefined],
    [{ runAsUser: 0 }, { ...nonRoot, runAsUser: 5 }, 'web'],
    [nonRoot, {}, '5'],
    [nonRoot, { runAsNonRoot: false }, undefined],
    [nonRoot, { runAsUser: 5 }, 'web'],
  ] as const
  const start = (ofPod: object, own: object, image: string | undefined) =>
    containerUser(
      makePod({ spec: { securityContext: ofPod } }),
      makeContainer({ securityContext: own }),
      image,
      accounts,
    )
  for (const [ofPod, own, image, message] of refused)
    t.throws(() => start(ofPod, own, image), {
      code: 'CONTAINER_CONFIG',
      message,
    })
  for (const [ofPod, own, image] of taken)
    t.doesNotThrow(() => start(ofPod, own, image))
})

t.test('who is not there', async t => {
  for (const [image, message] of [
    ['nobody', 'unable to find user nobody: no such user'],
    ['33x', 'unable to find user 33x: no such user'],
    ['x33', 'unable to find user x33: no such user'],
    ['web:nogroup', 'unable to find group nogroup: no such group'],
  ] as const) {
    t.throws(() => containerUser(makePod(), makeContainer(), image, accounts), {
      code: 'CONTAINER_CONFIG',
      message,
    })
  }
  t.equal(homeOf(accounts, 33), '/var/www')
  t.equal(homeOf(accounts, 1000), undefined)
})
