import t from 'tap'

import {
  longestDeletionSeconds,
  stopSignalOf,
} from '../../src/runner/lifecycle/termination.ts'
import { makeContainer, makePod } from '../helpers/make-objects.ts'

t.test('4.9: the most that a deletion takes', async t => {
  const plain = makeContainer()
  const asked = makeContainer({
    lifecycle: { preStop: { sleep: { seconds: 1 } } },
  })
  const sidecar = makeContainer({ name: 'log', restartPolicy: 'Always' })
  const cases = [
    [0, [], [plain], 2],
    [1, [], [plain], 2],
    [30, [], [plain], 30],
    // A hook that does not end uses up the grace period, and 2 s stay for SIGTERM.
    [0, [], [asked], 3],
    [30, [], [asked], 32],
    [30, [sidecar], [plain], 32],
  ] as const
  for (const [
    terminationGracePeriodSeconds,
    initContainers,
    containers,
    seconds,
  ] of cases) {
    const pod = makePod({
      spec: { terminationGracePeriodSeconds, initContainers, containers },
    })
    t.equal(longestDeletionSeconds(pod), seconds)
  }
})

t.test('C209: the signal that asks a container to end', async t => {
  const asks = (stopSignal?: string) =>
    stopSignalOf(
      makeContainer(
        stopSignal === undefined ? {} : { lifecycle: { stopSignal } },
      ),
    )
  t.equal(asks(), 'SIGTERM')
  for (const [name, number] of [
    ['SIGUSR1', 10],
    ['SIGCLD', 17],
    ['SIGRTMIN', 34],
    ['SIGRTMIN+15', 49],
    ['SIGRTMAX-14', 50],
    ['SIGRTMAX-1', 63],
    ['SIGRTMAX', 64],
  ] as const)
    t.equal(asks(name), number, name)
})
