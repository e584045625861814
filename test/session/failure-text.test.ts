import t from 'tap'

import { failureText } from '../../src/pods/pod-notices.ts'
import { makeContainer, makePod } from '../helpers/make-objects.ts'
import { PodRunnerHarness } from '../helpers/pod-runner-harness.ts'

/*
 * What is said of a Pod that has failed, made from the status that its runner gives.
 */

const command = ['program']
const deadline = 'Pod was active on the node longer than the specified deadline'

const pod = makePod({
  name: 'web',
  spec: {
    initContainers: [
      makeContainer({ name: 'log', command, restartPolicy: 'Always' }),
      makeContainer({ name: 'fetch', command }),
      makeContainer({ name: 'migrate', command }),
    ],
    containers: [makeContainer({ name: 'app', command })],
    restartPolicy: 'Never',
    activeDeadlineSeconds: 60,
  },
})

for (const onTerm of [143, 0])
  t.test(
    `activeDeadlineSeconds ends the init container that runs, with ${onTerm}`,
    async t => {
      const h = new PodRunnerHarness(t, {
        pod,
        behaviours: { migrate: { onTerm } },
      })
      await h.start()
      await h.exit('fetch', 0)
      await h.advance(60_000)
      t.equal(
        failureText(pod, await h.runner.finished),
        `Pod default/web has failed: ${deadline}, init container migrate had not finished`,
      )
    },
  )

t.test('an init container that fails', async t => {
  const h = new PodRunnerHarness(t, { pod })
  await h.start()
  await h.exit('fetch', 3)
  t.equal(
    failureText(pod, await h.runner.finished),
    'Pod default/web has failed: init container fetch: exit code 3',
  )
})

t.test('activeDeadlineSeconds ends what runs after that', async t => {
  const h = new PodRunnerHarness(t, { pod })
  await h.start()
  await h.exit('fetch', 0)
  await h.exit('migrate', 0)
  await h.advance(60_000)
  t.equal(
    failureText(pod, await h.runner.finished),
    `Pod default/web has failed: ${deadline}, container app: exit code 143`,
  )
})
