import { part, text, type JsonObject } from '../../api/json.ts'
import {
  type Surroundings,
  describeEvents,
  describeHead,
} from './describe-parts.ts'

/** The keys and their sizes: values of a Secret are not for a screen. */
export function describeSecret(secret: JsonObject): readonly string[] {
  const data = part(secret, 'data')
  return [
    ...describeHead(secret),
    '',
    `Type:\t${text(secret['type'])}`,
    '',
    'Data',
    '====',
    ...Object.keys(data)
      .sort()
      .map(key => `${key}:\t${sizeOf(text(data[key]))} bytes`),
  ]
}

export function describeConfigMap(
  configMap: JsonObject,
  { events, now }: Surroundings,
): readonly string[] {
  const data = part(configMap, 'data')
  const binaryData = part(configMap, 'binaryData')
  return [
    ...describeHead(configMap),
    '',
    'Data',
    '====',
    ...Object.keys(data)
      .sort()
      .flatMap(key => [`${key}:`, '----', text(data[key]), '']),
    '',
    'BinaryData',
    '====',
    ...Object.keys(binaryData)
      .sort()
      .map(key => `${key}: ${sizeOf(text(binaryData[key]))} bytes`),
    '',
    ...describeEvents(events, now),
  ]
}

function sizeOf(base64: string): number {
  return Buffer.from(base64, 'base64').length
}
