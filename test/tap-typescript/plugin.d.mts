export declare const importLoader: string
export declare const loader: string
export declare const preload: boolean
export declare const testFileExtensions: string[]
export declare const config: Record<
  'typecheck' | 'tsconfig' | 'type-strip-only',
  { type: 'boolean' | 'string'; description: string }
>
export declare const plugin: () => object
