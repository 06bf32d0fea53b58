// Templates in specs: Go's template language over Docker's fields, as far as texts need it.
export { checkTemplates, expandContainer, expandText, type TemplateData } from './expand.ts';
