import t from 'tap'
import { changedFields } from '../../src/api/changed-fields.ts'
import { makePod } from '../helpers/make-objects.ts'

t.test('names the deepest field in which two specs differ', async t => {
  const before = makePod().spec
  const [container] = before.containers
  if (container === undefined) throw new Error('makePod makes a container')
  t.strictSame(changedFields(before, before), [])
  t.strictSame(changedFields(before, makePod().spec), [])
  t.strictSame(
    changedFields(before, {
      ...before,
      hostNetwork: true,
      containers: [{ ...container, image: 'other' }],
    }),
    ['spec.containers[0].image', 'spec.hostNetwork'],
  )
  t.strictSame(
    changedFields(before, {
      ...before,
      containers: [container, { ...container, name: 'second' }],
    }),
    ['spec.containers'],
  )
  t.strictSame(
    changedFields(before, {
      ...before,
      containers: [
        {
          ...container,
          resources: { limits: new Map([['cpu', '1']]), requests: new Map() },
        },
      ],
    }),
    ['spec.containers[0].resources.limits.cpu'],
  )
})
