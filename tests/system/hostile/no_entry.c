/* no_entry.c - a shared object that is no plugin. */
int service_no_entry_value(void);

int service_no_entry_value(void)
{
    return 1;
}
