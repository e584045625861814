import t from 'tap'
import type { HandledField, Untied } from '../../src/api/schema/held.ts'
import {
  one,
  rejected,
  struct,
  supported,
} from '../../src/api/schema/struct.ts'
import type { NoneLeft } from '../../src/util/none-left.ts'

/*
 * What tsc refuses: `npm run check` fails when one of these compiles. The table stands for
 * those of src/api/schema/.
 */

const table = struct('Table', {
  name: supported('string', { required: true }),
  size: supported('int32'),
  inner: supported(one(struct('Inner', { path: supported('string') }))),
  refused: rejected('string', 'not done'),
})
type Table = typeof table

type Inner = { readonly path?: string }
type Right = {
  readonly name: string
  readonly size?: number
  readonly inner?: Inner
}
export type Refused = [
  // @ts-expect-error a supported field that the type does not have
  NoneLeft<Untied<Table, Omit<Right, 'size'>>>,
  // @ts-expect-error the same, in the struct of a field
  NoneLeft<Untied<Table, Omit<Right, 'inner'> & { readonly inner?: object }>>,
  // @ts-expect-error another type
  NoneLeft<Untied<Table, Omit<Right, 'size'> & { readonly size?: string }>>,
  // @ts-expect-error one that may be absent and does not say so
  NoneLeft<Untied<Table, Omit<Right, 'size'> & { readonly size: number }>>,
  // @ts-expect-error one that the table refuses
  NoneLeft<Untied<Table, Right & { readonly refused?: string }>>,
  // @ts-expect-error one that the table does not have
  NoneLeft<Untied<Table, Right & { readonly other?: string }>>,
]
export type Accepted = NoneLeft<Untied<Table, Right>>

// @ts-expect-error a table of those who act on it that has forgotten one
const forgotten: Record<HandledField<Table>, true> = { name: true, size: true }

t.test('a field that is supported and forgotten does not compile', async t => {
  t.same(Object.keys(forgotten), ['name', 'size'])
})
