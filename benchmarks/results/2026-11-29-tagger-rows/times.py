import sys,time,glob,statistics,unislu,numpy as np
from unislu.audio import load_audio
from unislu.decoding import tagging
bs=sys.argv[2:]
ms=[unislu.load(b,threads=1) for b in bs]
fs=sorted(glob.glob('slue-slt/**/*.flac',recursive=True))[:60]
clips=[load_audio(f) for f in fs]
want=float(sys.argv[1])
if want:
    j=[];cur=[]
    for c in clips:
        cur.append(c)
        if sum(map(len,cur))>=(want-3)*16000:
            x=np.concatenate(cur); 
            if len(x)<=30*16000: j.append(x)
            cur=[]
    clips=j[:5]
else: clips=clips[:16]
cpu=[[] for _ in bs]; tag=[[] for _ in bs]
T=tagging.TaggingDecoder
acc=[0.]
for name in ('_tags','_sentiment'):
    o=getattr(T,name)
    def g(self,*a,_o=o,**k):
        s=time.thread_time(); r=_o(self,*a,**k); acc[0]+=time.thread_time()-s; return r
    setattr(T,name,g)
for r in range(2):
  for c in clips:
    outs=[]
    for i,m in enumerate(ms):
        acc[0]=0; s=time.thread_time(); a=m.analyze(c,sample_rate=16000); cpu[i].append(time.thread_time()-s); tag[i].append(acc[0]); outs.append([(e.type,e.text) for e in a.entities])
for i,b in enumerate(bs): print(b, 'clip ms',round(1000*statistics.mean(cpu[i]),1),'tagger ms',round(1000*statistics.mean(tag[i]),1))
print('clips',len(clips),'audio', sum(map(len,clips))/16000/len(clips))
