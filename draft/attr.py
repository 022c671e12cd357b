import re,glob,os,sys
over=dict(l.rstrip('\n').split('\t') for l in open('/tmp/sab/over.tsv') if '\t' in l)
mat=dict(l.rstrip('\n').split('\t') for l in open('/tmp/sab/matrix.tsv'))
mat.update({k:v for k,v in over.items() if k in mat})
tot={}
for line in open('/tmp/sab/progress'):
    ids=line.split()[0]
    if ids=='none': continue
    log=open('/tmp/sab/out/'+ids.replace(',','_')[:80]+'.log').read()
    fails=set(re.findall(r'(?m)^\s+(?:FAIL|TIMEOUT|SIGABRT|LEAK-FAIL)[^\n]*?\) \S+ (\S+)',log))
    claimed=set()
    for i in ids.split(','):
        f=[x for x in fails if re.search(mat[i],x)]
        claimed|=set(f)
        hit=os.path.exists('/tmp/sab/hits/'+i)
        tot[i]=(f,hit)
    print('UNCLAIMED',fails-claimed)
for i,(f,h) in tot.items():
    print(i,'RED' if f else ('green-hit' if h else 'green-NOTHIT'),' '.join(f)[:160])
