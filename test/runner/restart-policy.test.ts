import t from 'tap'

import {
  couldRestartAll,
  mayRestart,
  restartsAll,
  shouldRestart,
} from '../../src/runner/lifecycle/restart-policy.ts'
import { makeContainer, makePod } from '../helpers/make-objects.ts'

const main = makeContainer({ name: 'main' })
const init = makeContainer({ name: 'init' })
const sidecar = makeContainer({ name: 'sidecar', restartPolicy: 'Always' })

// Whether [exit 0, exit 1] run again.
const cases = [
  ['Always', main, true, true],
  ['Always', init, false, true],
  ['Always', sidecar, true, true],
  ['OnFailure', main, false, true],
  ['OnFailure', init, false, true],
  ['OnFailure', sidecar, true, true],
  ['Never', main, false, false],
  ['Never', init, false, false],
  ['Never', sidecar, true, true],
] as const

for (const [restartPolicy, container, after0, after1] of cases) {
  t.test(`4.5: ${restartPolicy}, ${container.name}`, async t => {
    const pod = makePod({
      spec: {
        restartPolicy,
        containers: [main],
        initContainers: [init, sidecar],
      },
    })
    t.equal(shouldRestart(pod, container, 0), after0)
    t.equal(shouldRestart(pod, container, 1), after1)
  })
}

const rule = (action: string, operator: string, ...values: number[]) => ({
  action,
  exitCodes: { operator, values },
})

// Whether [exit 0, exit 1, exit 42] run again, in a Pod of this policy, and any other might.
const own = [
  ['C281', 'Never', { restartPolicy: 'Always' }, [true, true, true], true],
  ['C280', 'Always', { restartPolicy: 'Never' }, [false, false, false], false],
  ['', 'Always', { restartPolicy: 'OnFailure' }, [false, true, true], true],
  [
    'C278 C279',
    'Always',
    {
      restartPolicy: 'Never',
      restartPolicyRules: [rule('Restart', 'In', 42)],
    },
    [false, false, true],
    true,
  ],
  [
    'NotIn',
    'Never',
    {
      restartPolicy: 'OnFailure',
      restartPolicyRules: [rule('Restart', 'NotIn', 1, 42)],
    },
    [true, true, true],
    true,
  ],
  [
    'a rule without values',
    'Never',
    {
      restartPolicy: 'Never',
      restartPolicyRules: [
        rule('Restart', 'In'),
        { action: 'Restart' },
        { exitCodes: { operator: 'In', values: [1] } },
      ],
    },
    [false, false, false],
    true,
  ],
] as const

for (const [title, restartPolicy, more, expected, might] of own)
  t.test(`a container's own policy: ${title}`, async t => {
    const container = makeContainer(more)
    const pod = makePod({ spec: { restartPolicy, containers: [container] } })
    t.same(
      [0, 1, 42].map(code => shouldRestart(pod, container, code)),
      expected,
    )
    t.equal(mayRestart(pod, container), might)
    t.equal(couldRestartAll(pod), false)
  })

t.test('C282: the first rule that matches says what restarts', async t => {
  const container = makeContainer({
    restartPolicy: 'Never',
    restartPolicyRules: [
      rule('Restart', 'In', 1),
      rule('RestartAllContainers', 'NotIn', 2),
    ],
  })
  const pod = makePod({
    spec: { restartPolicy: 'Never', initContainers: [container] },
  })
  t.equal(couldRestartAll(pod), true)
  t.equal(restartsAll(container, 1), false)
  t.equal(restartsAll(container, 2), false)
  t.equal(restartsAll(container, 3), true)
  t.equal(restartsAll(container, 0), true)
  t.equal(shouldRestart(pod, container, 3), true)
  t.equal(shouldRestart(pod, container, 0), false, 'it has succeeded')
})
