import t from 'tap'
import { createCases, randomValues } from '../fixtures/create/cases.ts'
import { capability } from '../helpers/capability.ts'
import { askKubectl, askPodfs, type Outcome } from '../helpers/create-runs.ts'

/** The first line of a manifest that kubectl before v1.34 prints without a need. */
function asSince134({ stdout, ...rest }: Outcome): Outcome {
  return {
    ...rest,
    stdout: stdout
      .replace(/^ {2}creationTimestamp: null\n/m, '')
      .replace(/,\n {8}"creationTimestamp": null/, ''),
  }
}

t.test(
  'create prints what the kubectl of this machine prints',
  { skip: capability('kubectl') },
  async t => {
    const cases = [
      // Values: many to a call. Its hash and its errors: each a call.
      ...createCases.filter(({ name }) =>
        /^(values|random values|RSA|a registry$|a key of 128|a hash of|the hash of)/.test(
          name,
        ),
      ),
      ...randomValues(7, 200),
    ]
    for (const kase of cases)
      t.strictSame(
        await askPodfs(kase),
        asSince134(await askKubectl('kubectl', kase)),
        kase.name,
      )
  },
)
