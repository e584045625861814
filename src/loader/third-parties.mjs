/*
 * dist/THIRD-PARTY.txt: the packages of which something is in the bundles, what was written after
 * others' sources (ported.txt), and their licences.
 */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** `inputs`: the files that were bundled, as esbuild's metafiles name them. */
export function thirdParties(inputs) {
  const directories = new Set(
    inputs.flatMap(input => {
      const [found] = /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(input) ?? []
      return found === undefined ? [] : [found]
    }),
  )
  const texts = [...directories].map(describe).sort()
  const ported = readFileSync(new URL('ported.txt', import.meta.url), 'utf8')
  return `podfs contains parts of these packages.\n\n${[...texts, ported].join('\n')}`
}

function describe(directory) {
  const { name, version, license } = JSON.parse(
    readFileSync(path.join(directory, 'package.json'), 'utf8'),
  )
  // Apache-2.0 asks for a NOTICE, too, where there is one.
  const files = readdirSync(directory).filter(each =>
    /^(licen[cs]e|notice)\b/i.test(each),
  )
  if (files.length === 0)
    throw new Error(`${directory}: no licence; it cannot be bundled`)
  const rule = '='.repeat(72)
  const texts = files.map(each =>
    readFileSync(path.join(directory, each), 'utf8').trim(),
  )
  return `${rule}\n${name} ${version}, ${license}\n\n${texts.join('\n\n')}\n`
}
