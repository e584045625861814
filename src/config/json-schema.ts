import { settingsShape } from './settings.ts'
import { mayBeEmpty, type SettingShape } from './setting-shape.ts'

/**
 * The JSON schema of podfs.yaml (draft-07, which editors' YAML servers read), from the
 * definition that podfs itself checks against.
 */
export function settingsSchema(): object {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'podfs.yaml',
    ...schemaOf(settingsShape),
  }
}

function schemaOf(shape: SettingShape): object {
  return {
    ...(shape.description !== undefined && { description: shape.description }),
    ...(shape.default !== undefined && { default: shape.default }),
    ...typeOf(shape),
  }
}

function typeOf(shape: SettingShape): object {
  switch (shape.kind) {
    case 'string':
      return {
        type: 'string',
        ...(shape.oneOf !== undefined && { enum: shape.oneOf }),
        ...(shape.pattern !== undefined && { pattern: shape.pattern.source }),
        ...(!mayBeEmpty(shape) && { minLength: 1 }),
      }
    case 'boolean':
      return { type: 'boolean' }
    case 'number':
      return { type: 'number', minimum: shape.min, maximum: shape.max }
    case 'stringMap':
      return { type: 'object', additionalProperties: { type: 'string' } }
    case 'list':
      return { type: 'array', items: schemaOf(shape.of) }
    case 'struct':
  }
  return {
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(
      Object.entries(shape.fields).map(([name, field]) => [
        name,
        schemaOf(field),
      ]),
    ),
    ...(shape.required !== undefined && { required: shape.required }),
  }
}
