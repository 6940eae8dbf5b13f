/* load_no_plugin.c - a shared object, but not a plugin. */
int load_no_plugin(void);

__attribute__((visibility("default"))) int load_no_plugin(void)
{
    return 1;
}
