import { items } from '../api/json.ts'
import { volumeCommand } from './look/volume-command.ts'

export const diffCommand = volumeCommand({
  name: 'diff',
  summary: 'show what a volume shows now that it did not show before',
  description: `From the generation before, or the one that is named, to what the volume shows now, as git diff
writes it. Of Secrets and tokens only a hash is shown: equal for equal values, and for this podfs
alone. Exits with 0 also when there are differences.`,
  examples: [
    { comment: 'the last change', line: 'podfs diff web/config' },
    { comment: 'all since generation 3', line: 'podfs diff web/config 3' },
  ],
  generation: 'optional',
  act: async ({ client, url }, generation, { stdout, stderr }) => {
    const { diffGenerations } = await import('./look/diff-generations.ts')
    const list = items(await client.get(url('generations')), 'items')
    const kept = list.map(each => Number(each['generation']))
    const current = kept.at(-1)
    const before = generation ?? kept.at(-2)
    if (current === undefined || before === undefined) {
      stderr.line('There is one generation only: nothing to compare it with.')
      return
    }
    const [from, to] = await Promise.all(
      [before, current].map(each => client.get(url(`generations/${each}`))),
    )
    stdout.text(diffGenerations(from ?? {}, to ?? {}))
  },
})
