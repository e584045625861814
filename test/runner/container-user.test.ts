import t from 'tap'

import { homeOf } from '../../src/runner/launch/accounts.ts'
import { containerUser } from '../../src/runner/launch/container-user.ts'
import { makeContainer, makePod } from '../helpers/make-objects.ts'

const accounts = {
  passwd: 'root:x:0:0:root:/root:/bin/sh\nweb:x:33:44:web:/var/www:/bin/sh\n',
  group: 'root:x:0:\nstaff:x:50:\n',
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
  ['the image by name', {}, {}, 'web', [33, 44]],
  ['the image by names', {}, {}, 'web:staff', [33, 50]],
  [
    'another user leaves the group of the image',
    {},
    { runAsUser: 3 },
    'web',
    [3, 0],
  ],
  ['only a group, and no image', {}, { runAsGroup: 7 }, undefined, [0, 7]],
  ['fsGroup alone', { fsGroup: 9 }, {}, undefined, [0, 0, 9]],
  ['only a group', {}, { runAsGroup: 7 }, 'web', [33, 7]],
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
