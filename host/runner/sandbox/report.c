#include "runner/sandbox/report.h"

#include <stdarg.h>
#include <stdio.h>

void report_layer(struct sandbox_report *report, int active, const char *format, ...)
{
    struct sandbox_layer *layer;
    va_list ap;

    if (!active)
        report->n_missing++;
    if (report->n_layers == SANDBOX_LAYERS)
        return;
    layer = &report->layers[report->n_layers++];
    layer->active = active;
    va_start(ap, format);
    vsnprintf(layer->text, sizeof layer->text, format, ap);
    va_end(ap);
}
